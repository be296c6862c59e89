import { Route } from 'lucide-react'
import { useState } from 'react'
import { useCommunes, useIncidentAct, useMe, useNearest, useOpsCatalogue, useRoadRoute, useRoads, type IncidentView, type NearResource } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { CityMap } from '@/map'
import { Badge, Button, cx, Dialog, FailedNote, format, Note } from '@/ui'
import { clock } from './parts'

type Doing = ReturnType<typeof useIncidentAct>

/** How far a resource is, how long it takes, and how that was reckoned: never a guess that looks like a route. */
function Way({ resource }: { resource: NearResource }) {
  const t = useT()
  if (resource.metres == null) return <span className="quiet">{t('incidents:way.unknown')}</span>
  const road = resource.by === 'road'
  return (
    <span className="row wrap-row">
      <span className="tnum nowrap">{format.number(resource.metres / 1000)} km{resource.seconds == null ? '' : ` · ${road ? '' : '≈ '}${clock(resource.seconds)}`}</span>
      <Badge tone={road ? 'good' : 'high'}>{t(road ? 'incidents:way.road' : 'incidents:way.straight')}</Badge>
    </span>
  )
}

/** The route of the one that was chosen, street by street. */
function Steps({ resource, view }: { resource: NearResource; view: IncidentView }) {
  const t = useT()
  const lng = useLanguage()
  const roads = useRoads()
  const route = useRoadRoute(resource.by === 'road' ? resource.point : undefined, view.place.point, resource.kind)
  const vehicle = roads.data?.vehicles.find(v => v.code === route.data?.vehicle)
  if (!route.data) return <FailedNote error={route.error} />
  return (
    <div className="stack-s" role="status">
      <p className="small">
        {t('incidents:way.for', { vehicle: vehicle ? named(lng, vehicle.name, vehicle.name_en) : route.data.vehicle })} {vehicle ? <Badge tone={vehicle.status === 'confirmed' ? 'good' : 'high'}>{t(`incidents:status.${vehicle.status}`)}</Badge> : null}
      </p>
      <ol className="way-steps">
        {route.data.steps.slice(0, 40).map(step => <li key={step.begins}><span>{step.name || step.number || t('incidents:way.unnamed')}</span> <span className="small quiet tnum">{format.number(step.metres, 0)} m · {clock(step.seconds)}</span></li>)}
      </ol>
      <p className="small quiet">{route.data.source}</p>
    </div>
  )
}

/** Who is free and near, by road where the roads are known; the way of the chosen one on the map. */
export function SendDialog({ view, doing, onClose }: { view: IncidentView; doing: Doing; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const catalogue = useOpsCatalogue()
  const near = useNearest(view.id, true)
  const communes = useCommunes(me.data?.home.code)
  const list = near.data ?? []
  const [chosen, setChosen] = useState<string>()
  const shown = list.find(r => r.id === chosen) ?? list.find(r => r.state === 'free' && r.by === 'road')
  const route = useRoadRoute(shown?.by === 'road' ? shown.point : undefined, view.place.point, shown?.kind)
  const guessed = list.some(r => r.by !== 'road' && r.metres != null)
  const place = view.place.point
  const points = [
    ...(place ? [{ id: view.id, ...place, mark: view.severity }] : []),
    ...list.flatMap(r => (r.point ? [{ id: r.id, ...r.point, mark: r.state === 'free' ? ('ok' as const) : ('waiting' as const) }] : [])),
  ]
  const kind = (code: string) => {
    const found = catalogue.data?.resource_kinds.find(k => k.code === code)
    return found ? named(lng, found.name, found.name_en) : code
  }
  const ends = place && shown?.point ? [place, shown.point] : undefined
  return (
    <Dialog open onClose={onClose} title={t('incidents:send_resource')} wide>
      {list.some(r => r.by === 'road') ? <p className="small quiet">{t('incidents:way.note')}</p> : null}
      {guessed ? <Note>{t('incidents:way_note', { factor: format.number(catalogue.data?.policy?.road_factor ?? 1, 2) })}</Note> : null}
      <FailedNote error={doing.error ?? near.error} />
      {place ? (
        <div className="incident-map">
          <CityMap
            label={t('incidents:way.map')}
            home={me.data?.home.code}
            communes={communes.data}
            bare
            cluster={false}
            view={{ ...place, zoom: 13 }}
            points={points}
            chosen={shown?.id}
            way={route.data?.line}
            flyTo={ends ? { bounds: [[Math.min(...ends.map(p => p.lon)), Math.min(...ends.map(p => p.lat))], [Math.max(...ends.map(p => p.lon)), Math.max(...ends.map(p => p.lat))]] } : undefined}
            onPoint={id => list.some(r => r.id === id) && setChosen(id)}
          />
        </div>
      ) : null}
      {shown ? <Steps resource={shown} view={view} /> : null}
      <ul className="plain-list stack-s">
        {list.map(resource => (
          <li key={resource.id} className={cx('op-line', resource.id === shown?.id && 'shown')}>
            <span className="grow"><b className="tnum">{resource.code}</b> {resource.name} <span className="small quiet">{kind(resource.kind)} · {resource.unit.name}</span></span>
            <Way resource={resource} />
            {resource.by === 'road' ? <Button look="quiet" size="small" icon={<Route size={16} aria-hidden />} aria-pressed={resource.id === shown?.id} onClick={() => setChosen(resource.id)}>{t('incidents:way.show')}<span className="visually-hidden"> {resource.code}</span></Button> : null}
            {resource.state === 'free' ? <Button size="small" busy={doing.isPending} onClick={() => doing.mutate({ path: '/dispatches', json: { resource: resource.id } }, { onSuccess: onClose })}>{t('incidents:send')}<span className="visually-hidden"> {resource.code}</span></Button> : <Badge tone="waiting">{resource.incident_code ?? t(`incidents:resource.${resource.state}`)}</Badge>}
          </li>
        ))}
      </ul>
    </Dialog>
  )
}
