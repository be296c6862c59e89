import { useState } from 'react'
import { useCommunes, useMe } from '@/api/access'
import { TRAFFIC_FEED, usePublicTraffic, usePublicTrafficMap } from '@/api/traffic'
import { named, useLanguage, useT } from '@/i18n'
import { CityMap } from '@/map'
import { Badge, Button, Card, Empty, format, Loaded, Note, PageHeader, useTitle } from '@/ui'
import { Legend, LevelBadge, minutes } from './parts'
import './traffic.css'

function RoadMap() {
  const t = useT()
  const me = useMe()
  const roads = usePublicTrafficMap(true)
  const communes = useCommunes(me.data?.home.code)
  return (
    <>
      <div className="road-map"><CityMap label={t('traffic:public.map')} home={me.data?.home.code} communes={communes.data} roads={roads.data} bare /></div>
      <Legend />
    </>
  )
}

/** What everybody may know of the roads: slow ones, works and closures, travel times. A list first; the map is asked for. */
export default function PublicPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('traffic:public.title'))
  const traffic = usePublicTraffic()
  const [map, setMap] = useState(false)
  return (
    <div className="wrap page stack">
      <PageHeader title={t('traffic:public.title')} lead={t('traffic:public.lead')} actions={<Button look="secondary" aria-expanded={map} onClick={() => setMap(!map)}>{t(map ? 'traffic:public.hide_map' : 'traffic:public.show_map')}</Button>} />
      {map ? <RoadMap /> : null}
      <Loaded of={traffic}>
        {p => (
          <div className="stack">
            {p.sources.map(s => <Note key={s} tone="medium">{s}</Note>)}
            <section>
              <h2>{t('traffic:public.slow')}</h2>
              {p.slow.length ? (
                <ul className="road-cards">
                  {p.slow.map((r, n) => (
                    <li key={n}>
                      <Card tight className="road-card">
                        <div className="row"><strong className="grow">{r.name}</strong><LevelBadge level={r.level} /></div>
                        <p className="small quiet">{[r.direction, r.speed == null ? '' : t(r.estimated ? 'traffic:public.speed_estimated' : 'traffic:public.speed', { n: format.number(r.speed, 0) }), r.usual == null ? '' : t('traffic:usual', { value: t('traffic:value.speed', { n: format.number(r.usual, 0) }) })].filter(Boolean).join(' · ')}</p>
                        {r.incident ? <Badge tone="critical">{t('traffic:incident.one')}</Badge> : null}
                      </Card>
                    </li>
                  ))}
                </ul>
              ) : (
                <Empty title={t(p.known ? 'traffic:public.all_free' : 'traffic:public.unknown')}>{t('traffic:public.known', { n: p.known })}</Empty>
              )}
            </section>
            {p.times.length ? (
              <section>
                <h2>{t('traffic:view.times')}</h2>
                <ul className="road-cards">
                  {p.times.map(r => (
                    <li key={r.code}>
                      <Card tight className="road-card">
                        <strong>{r.from} → {r.to}</strong>
                        <p className="road-time"><b>{r.now_s == null ? '–' : t('traffic:minutes', { n: minutes(r.now_s) })}</b>{r.estimated ? <Badge tone="medium">{t('traffic:estimated')}</Badge> : null}</p>
                        <p className="small quiet">{[r.usual_s == null ? '' : t('traffic:times.usual', { n: minutes(r.usual_s) }), r.p90_s == null ? '' : t('traffic:times.p90', { n: minutes(r.p90_s) }), `${format.number(r.km)} km`].filter(Boolean).join(' · ')}</p>
                      </Card>
                    </li>
                  ))}
                </ul>
              </section>
            ) : null}
            <section>
              <h2>{t('traffic:public.works')}</h2>
              {p.works.length ? (
                <ul className="road-cards">
                  {p.works.map((w, n) => (
                    <li key={n}>
                      <Card tight className="road-card">
                        <div className="row"><strong className="grow">{named(lng, w.title, w.title_en)}</strong>{w.active ? <Badge tone="high">{t('traffic:work.now')}</Badge> : null}<Badge>{t(`traffic:work.closure.${w.closes}`)}</Badge></div>
                        <p className="small">{[w.area, ...w.roads].filter(Boolean).join(', ')}</p>
                        <p className="small">{format.dateTime(w.from)} – {format.dateTime(w.to)}{w.hours ? ` · ${w.hours.from.slice(0, 5)}–${w.hours.to.slice(0, 5)}${w.hours.days.length ? ` (${w.hours.days.map(d => t(`traffic:day_of.${d}`)).join(', ')})` : ''}` : ''}</p>
                        {w.detour ? <p className="small">{w.detour}</p> : null}
                        <p className="small quiet">{[w.unit, w.contact].filter(Boolean).join(' · ')}</p>
                      </Card>
                    </li>
                  ))}
                </ul>
              ) : (
                <Empty title={t('traffic:public.no_works')}>{t('traffic:public.no_works_body')}</Empty>
              )}
            </section>
            <p className="small quiet">{t('traffic:public.at', { at: format.dateTime(p.at) })} · <a href={TRAFFIC_FEED}>{t('traffic:public.feed')}</a></p>
            {p.marks.length ? <details className="road-marks"><summary>{t('traffic:marks.title')}</summary><ul className="road-list">{p.marks.map(m => <li key={m.of}><Badge tone={m.status === 'confirmed' ? 'good' : 'high'}>{t(`traffic:marks.${m.status}`)}</Badge><span>{m.source_act}</span><span className="small quiet">{m.note}</span></li>)}</ul></details> : null}
          </div>
        )}
      </Loaded>
    </div>
  )
}
