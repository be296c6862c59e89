/** Series as lines or bars; loaded with its library only when a board has one. */
import { useMemo } from 'react'
import { useThings, useThingTypes, type Thing } from '@/api'
import { useLines, type SeriesOf, type Widget } from '@/api/boards'
import { named, useLanguage, useT } from '@/i18n'
import { Failed, format, Loading } from '@/ui'
import { Chart, type ChartColours } from '@/ui/rich/chart'
import { SERIES } from './model'

function Lines({ widget: { set }, series, things }: { widget: Widget; series: readonly SeriesOf[]; things: ReadonlyMap<string, Thing> }) {
  const t = useT()
  const lng = useLanguage()
  const types = useThingTypes()
  const hours = set.hours ?? 24
  const { lines, pending, failed, error } = useLines(series, hours, set.bucket ?? 3600, set.take ?? 'mean')
  const about = (attribute: string) => types.data?.flatMap(type => type.attributes).find(a => a.name === attribute)
  const kinds = new Set(series.map(s => s.attribute))
  const names = series.map(s => {
    const thing = things.get(s.thing)?.name ?? s.thing.split(':').at(-1) ?? s.thing
    const title = about(s.attribute)
    return kinds.size > 1 ? `${thing} · ${title ? named(lng, title.title, title.title_en) : s.attribute}` : thing
  })
  const unit = kinds.size === 1 ? (about(series[0]?.attribute ?? '')?.unit_text ?? '') : ''
  const bar = set.shape === 'bar'
  const key = `${names.join('|')}|${unit}|${lng}`
  const option = useMemo(
    () => (c: ChartColours) => ({
      grid: { left: 4, right: 14, top: names.length > 1 ? c.small * 2.6 : c.small * 1.8, bottom: 4, containLabel: true },
      legend: { show: names.length > 1, type: 'scroll', top: 0, textStyle: { color: c.quiet, fontSize: c.small }, pageTextStyle: { color: c.quiet }, itemHeight: c.small * 0.8 },
      xAxis: { type: 'time', axisLabel: { formatter: (v: number) => (hours > 60 ? format.dayMonth(v) : format.time(v)), hideOverlap: true, color: c.quiet, fontSize: c.small }, axisLine: { lineStyle: { color: c.line } } },
      yAxis: { type: 'value', name: unit, nameTextStyle: { color: c.quiet, align: 'left', fontSize: c.small }, axisLabel: { formatter: (v: number) => format.number(v), color: c.quiet, fontSize: c.small }, splitLine: { lineStyle: { color: c.line } }, scale: !bar },
      tooltip: {
        trigger: 'axis', backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.ink, fontFamily: 'Be Vietnam Pro', fontSize: c.small },
        valueFormatter: (v: unknown) => (typeof v === 'number' ? `${format.number(v, 2)} ${unit}` : '–'),
      },
      series: lines.map((line, i) => ({ name: names[i], type: bar ? 'bar' : 'line', data: line.points, showSymbol: line.points.length < 3, lineStyle: { width: c.small / 5.5 }, ...(lines.length === 1 && !bar ? { areaStyle: { opacity: 0.12 } } : {}) })),
    }),
    // The names are new arrays each time; what they say is in the key.
    [lines, key, hours, bar],
  )
  if (failed === series.length && error) return <Failed error={error} />
  if (pending && lines.every(line => line.points.length === 0)) return <Loading rows={1} height="8rem" />
  if (lines.every(line => line.points.length === 0)) return <p className="quiet">{t('boards:chart.empty')}</p>
  const ends = lines.map((line, i) => `${names[i]}: ${format.number(line.points.at(-1)?.[1], 2)} ${unit}`)
  return (
    <>
      <Chart option={option} height="100%" summary={t('boards:chart.said', { hours: format.number(hours), values: ends.join('; ') })} />
      {failed > 0 ? <p className="small quiet">{t('boards:chart.some', { n: failed })}</p> : null}
    </>
  )
}

function Every({ widget, type, attribute }: { widget: Widget; type: string; attribute: string }) {
  const t = useT()
  const things = useThings({ type, limit: 60 })
  const chosen = useMemo(() => (things.data?.items ?? []).toSorted((a, b) => a.name.localeCompare(b.name, 'vi')).slice(0, SERIES), [things.data])
  const series = useMemo(() => chosen.map(thing => ({ thing: thing.id, attribute })), [chosen, attribute])
  const known = useMemo(() => new Map(chosen.map(thing => [thing.id, thing])), [chosen])
  if (things.error && !things.data) return <Failed error={things.error} onRetry={() => void things.refetch()} />
  if (!things.data) return <Loading rows={1} height="8rem" />
  if (series.length === 0) return <p className="quiet">{t('boards:chart.no_things')}</p>
  return (
    <>
      <Lines widget={widget} series={series} things={known} />
      {(things.data.items.length > SERIES || things.data.next) ? <p className="small quiet">{t('boards:chart.first', { n: SERIES, of: things.data.total ?? `${things.data.items.length}` })}</p> : null}
    </>
  )
}

const NOBODY: ReadonlyMap<string, Thing> = new Map()

function Named({ widget, series }: { widget: Widget; series: readonly SeriesOf[] }) {
  // Names come with the list; a thing beyond it keeps the end of its id.
  const things = useThings({ limit: 200 })
  const known = useMemo(() => (things.data ? new Map(things.data.items.map(thing => [thing.id, thing])) : NOBODY), [things.data])
  return <Lines widget={widget} series={series} things={known} />
}

export default function ChartBody({ widget }: { widget: Widget }) {
  const t = useT()
  const { every, series } = widget.set
  if (every) return <Every widget={widget} {...every} />
  if (series?.length) return <Named widget={widget} series={series} />
  return <p className="quiet">{t('boards:missing.series')}</p>
}
