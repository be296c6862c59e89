import { useEffect, useMemo, useState } from 'react'
import type { Phase } from '@/api'
import { useCommunes, useMe } from '@/api/access'
import { usePublicCases, usePublicGeo } from '@/api/cases'
import { useAqis } from '@/api/aqis'
import { useThings } from '@/api/context'
import { CaseCard } from '@/features/cases/public/CaseCard'
import '@/features/cases/cases.css'
import { useT } from '@/i18n'
import { CityMap, type MapPoint, type Mark } from '@/map'
import { aqiLevel, AqiBadge, Badge, Button, Card, Empty, Failed, format, go, Loading, SearchBox, Segments, useTitle } from '@/ui'

type Layer = 'cases' | 'air'
const PHASES = ['', 'open', 'working', 'solved'] as const

function casePoints(shapes: GeoJSON.FeatureCollection | undefined): MapPoint[] {
  return (shapes?.features ?? []).flatMap(f => {
    if (f.geometry.type !== 'Point') return []
    const [lon = 0, lat = 0] = f.geometry.coordinates
    const p = f.properties ?? {}
    return [{ id: String(p['code'] ?? f.id), lon, lat, mark: (p['phase'] ?? 'open') as Phase }]
  })
}

export default function MapPage() {
  const t = useT()
  useTitle(t('nav.map'))
  const [layer, setLayer] = useState<Layer>('cases')
  const [phase, setPhase] = useState<string>('')
  const [words, setWords] = useState('')
  const [asked, setAsked] = useState('')
  const [chosen, setChosen] = useState<string>()
  const me = useMe()
  const home = me.data?.home.code
  const communes = useCommunes(home)
  const geo = usePublicGeo({ phase })
  const list = usePublicCases({ phase, q: asked })
  const things = useThings({ type: 'AirQualityObserved', limit: 200 }, layer === 'air')

  useEffect(() => {
    const timer = setTimeout(() => setAsked(words.trim()), 250)
    return () => clearTimeout(timer)
  }, [words])

  const stations = useMemo(() => things.data?.items ?? [], [things.data])
  const aqis = useAqis(stations)
  const points = useMemo<MapPoint[]>(() => {
    if (layer === 'cases') return casePoints(geo.data)
    return stations.flatMap(thing => {
      if (!thing.location) return []
      const aqi = aqis.get(thing.id)
      const level = aqi === undefined ? undefined : aqiLevel(aqi)
      const mark: Mark = level ? `aqi-${level}` : thing.state === 'ok' ? 'ok' : 'silent'
      return [{ id: thing.id, ...thing.location, mark, ...(aqi === undefined ? {} : { label: String(Math.round(aqi)) }), darkLabel: (level ?? 0) >= 5 }]
    })
  }, [layer, geo.data, stations, aqis])
  const items = list.data?.pages.flatMap(page => page.items) ?? []

  return (
    <div className="map-page">
      <CityMap label={t('citizen:map.label')} home={home} communes={communes.data} points={points} chosen={chosen} cluster={layer === 'cases'} onPoint={id => (layer === 'cases' ? go(`/r/${id}`) : setChosen(id))}>
        <div className="map-over">
          <Segments label={t('citizen:map.layer')} value={layer} onChange={value => (setLayer(value), setChosen(undefined))} options={[{ value: 'cases', label: t('citizen:map.cases') }, { value: 'air', label: t('citizen:map.air') }]} />
        </div>
      </CityMap>
      <section className="map-side" aria-label={t('citizen:map.list')}>
        <h1 style={{ fontSize: 'var(--size-xl)' }}>{layer === 'cases' ? t('citizen:map.title') : t('citizen:air.page')}</h1>
        {layer === 'cases' ? <a className="small" href="/stats">{t('citizen:stats.title')}</a> : null}
        {layer === 'cases' ? (
          <>
            <SearchBox label={t('citizen:map.search')} value={words} onChange={setWords} />
            <Segments label={t('citizen:map.phase')} value={phase} onChange={setPhase} options={PHASES.map(value => ({ value: value as string, label: value ? t(`phase.${value}`) : t('ui.all') }))} />
            {list.error && items.length === 0 ? (
              <Failed error={list.error} onRetry={() => void list.refetch()} />
            ) : list.isPending ? (
              <Loading height="7rem" />
            ) : items.length === 0 ? (
              <Empty title={t('citizen:map.none')}>{t('citizen:map.none_body')}</Empty>
            ) : (
              <div className="case-list">
                {items.map(item => <CaseCard key={item.code} item={item} current={chosen === item.code} onOpen={() => setChosen(item.code)} />)}
                {list.hasNextPage ? <Button look="secondary" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('ui.more')}</Button> : null}
              </div>
            )}
          </>
        ) : things.error && !things.data ? (
          <Failed error={things.error} onRetry={() => void things.refetch()} />
        ) : things.isPending ? (
          <Loading />
        ) : stations.length === 0 ? (
          <Empty title={t('citizen:air.none')}>{t('citizen:air.none_body')}</Empty>
        ) : (
          <div className="case-list">
            {stations.map(thing => {
              const aqi = aqis.get(thing.id)
              return (
                <Card key={thing.id} tight>
                  <div className="spread">
                    <div className="grow">
                      <h3 style={{ fontSize: 'var(--size-m)' }}>{thing.name}</h3>
                      <p className="small quiet">{[thing.area_name, thing.observed_at ? format.ago(thing.observed_at) : undefined].filter(Boolean).join(' · ')}</p>
                    </div>
                    {aqi === undefined ? <Badge>{t('thing.no_index')}</Badge> : <AqiBadge aqi={aqi} />}
                  </div>
                </Card>
              )
            })}
            <a href="/air">{t('citizen:air.all')}</a>
          </div>
        )}
      </section>
    </div>
  )
}
