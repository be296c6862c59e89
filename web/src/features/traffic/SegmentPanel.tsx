import { useMemo } from 'react'
import { useTrafficSegment, type TrafficSegmentView } from '@/api'
import { useT } from '@/i18n'
import { Badge, format, Loaded, Note } from '@/ui'
import { Chart, type ChartColours } from '@/ui/rich/chart'
import { LevelBadge, minutes, useMeasured } from './parts'

function Day({ segment }: { segment: TrafficSegmentView }) {
  const t = useT()
  const unit = t(`traffic:unit.${segment.measure}`)
  const option = useMemo(
    () => (c: ChartColours) => {
      const line = (pick: (d: TrafficSegmentView['day'][number]) => number | null | undefined) => segment.day.map(d => [Date.parse(d.at), pick(d) ?? null])
      const low = (d: TrafficSegmentView['day'][number]) => (d.usual == null ? null : Math.max(0, d.usual - (d.spread ?? 0)))
      const band = { type: 'line', stack: 'band', symbol: 'none', lineStyle: { opacity: 0 }, silent: true }
      return {
        legend: { data: [t('traffic:day.today'), t('traffic:day.usual')], textStyle: { color: c.quiet }, top: 0 },
        grid: { left: 4, right: 12, top: 34, bottom: 4, containLabel: true },
        xAxis: { type: 'time', axisLabel: { formatter: (v: number) => format.time(v), hideOverlap: true, color: c.quiet }, axisLine: { lineStyle: { color: c.line } }, splitLine: { show: false } },
        yAxis: { type: 'value', name: unit, min: 0, nameTextStyle: { color: c.quiet, align: 'left' }, axisLabel: { formatter: (v: number) => format.number(v, 0), color: c.quiet }, splitLine: { lineStyle: { color: c.line } } },
        tooltip: { show: false },
        series: [
          { ...band, data: line(low) },
          { ...band, data: line(d => (d.usual == null ? null : d.usual + (d.spread ?? 0) - (low(d) ?? 0))), areaStyle: { color: c.quiet, opacity: 0.18 } },
          { name: t('traffic:day.usual'), type: 'line', data: line(d => d.usual), symbol: 'none', lineStyle: { type: 'dashed', width: 2, color: c.quiet }, itemStyle: { color: c.quiet } },
          { name: t('traffic:day.today'), type: 'line', data: line(d => d.value), symbol: 'none', lineStyle: { width: 3, color: c.brand }, itemStyle: { color: c.brand } },
        ],
      }
    },
    [segment, t, unit],
  )
  const values = segment.day.flatMap(d => (d.value == null ? [] : [d.value]))
  if (values.length === 0 && segment.day.every(d => d.usual == null)) return <p className="quiet">{t('traffic:day.none')}</p>
  return <Chart option={option} height="14rem" summary={t('traffic:day.summary', { name: segment.name, n: values.length, last: format.number(values.at(-1) ?? 0, 0), unit })} />
}

/** A segment: its present, the day against the usual, what comes, its neighbours. */
export function SegmentPanel({ id, onOpen }: { id: string; onOpen: (id: string) => void }) {
  const t = useT()
  const measured = useMeasured()
  const segment = useTrafficSegment(id)
  return (
    <Loaded of={segment}>
      {s => {
        const n = s.now
        return (
          <section className="stack">
            <header>
              <h2>{s.name}</h2>
              <p className="quiet">{[s.direction, s.unit_ref?.name].filter(Boolean).join(' · ')}</p>
              <p className="row"><LevelBadge level={n.level} />{n.incident ? <Badge tone="critical">{t('traffic:incident.one')}</Badge> : null}{n.doubtful ? <Badge tone="high">{t('traffic:doubtful')}</Badge> : null}</p>
            </header>
            <dl className="road-pairs">
              <div><dt>{t(n.estimated ? 'traffic:speed_estimated' : 'traffic:speed')}</dt><dd>{n.speed == null ? '–' : measured('speed', n.speed)}{n.usual_speed == null ? null : <span className="small quiet"> {t('traffic:usual', { value: measured('speed', n.usual_speed) })}</span>}</dd></div>
              <div><dt>{t('traffic:volume')}</dt><dd>{n.volume == null ? '–' : measured('volume', n.volume)}{n.usual_volume == null ? null : <span className="small quiet"> {t('traffic:usual', { value: measured('volume', n.usual_volume) })}</span>}</dd></div>
              {n.occupancy == null ? null : <div><dt>{t('traffic:occupancy')}</dt><dd>{format.percent(n.occupancy)}</dd></div>}
              <div><dt>{t('traffic:drive')}</dt><dd>{n.travel_s == null ? '–' : t('traffic:minutes', { n: minutes(n.travel_s) })} <span className="small quiet">{format.number(s.length_m / 1000)} km</span></dd></div>
              <div><dt>{t('traffic:heard')}</dt><dd>{n.at ? format.ago(n.at) : t('traffic:never')}</dd></div>
            </dl>
            <div>
              <h3>{t(`traffic:day.${s.measure}`)}</h3>
              <Day segment={s} />
              <p className="small quiet">{s.usual_at ? t('traffic:day.reckoned', { at: format.dateTime(s.usual_at) }) : t('traffic:day.no_usual')}</p>
            </div>
            <div>
              <h3>{t('traffic:forecast.title')}</h3>
              {n.forecast ? (
                <p>{t('traffic:forecast.words', { at: format.time(n.forecast.at), value: measured(n.forecast.measure, n.forecast.value) })} <span className="small quiet">{t('traffic:forecast.error', { error: format.number(n.forecast.error, 0), last: format.number(n.forecast.error_last, 0), week: format.number(n.forecast.error_week, 0) })}</span></p>
              ) : (
                <p className="quiet">{t('traffic:forecast.none')}</p>
              )}
            </div>
            {s.upstream.length + s.next.length ? (
              <div>
                <h3>{t('traffic:neighbours')}</h3>
                <ul className="road-list">
                  {s.upstream.map(u => <li key={u.id}><button type="button" className="road-link" onClick={() => onOpen(u.id)}>← {u.name}</button></li>)}
                  {s.next.map(u => <li key={u.id}><button type="button" className="road-link" onClick={() => onOpen(u.id)}>→ {u.name}</button></li>)}
                </ul>
              </div>
            ) : null}
            {s.source ? <Note tone="medium">{s.source}</Note> : null}
          </section>
        )
      }}
    </Loaded>
  )
}
