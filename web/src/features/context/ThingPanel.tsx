import { useMemo, useState } from 'react'
import { instant, useSeries, useThing, useThingTypes, type Thing } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { AqiBadge, Badge, Failed, format, Loaded, Loading, Select } from '@/ui'
import { Chart, type ChartColours } from '@/ui/rich/chart'
import { aqiOf } from './AirNear'
import { Flags } from './Flags'

function Series({ thing, attribute, title, unit }: { thing: Thing; attribute: string; title: string; unit: string }) {
  const t = useT()
  const series = useSeries(thing.id, attribute, 48, 3600)
  const data = useMemo(() => (series.data?.points ?? []).flatMap(p => (typeof p.value === 'number' ? [[instant(p.t), p.value] as const] : [])), [series.data])
  const option = useMemo(
    () => (c: ChartColours) => ({
      grid: { left: 4, right: 12, top: 26, bottom: 4, containLabel: true },
      xAxis: { type: 'time', axisLabel: { formatter: (v: number) => format.time(v), hideOverlap: true, color: c.quiet }, axisLine: { lineStyle: { color: c.line } } },
      yAxis: { type: 'value', name: unit, nameTextStyle: { color: c.quiet, align: 'left' }, axisLabel: { formatter: (v: number) => format.number(v), color: c.quiet }, splitLine: { lineStyle: { color: c.line } }, scale: true },
      tooltip: { trigger: 'axis', backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.ink, fontFamily: 'Be Vietnam Pro' }, formatter: (items: { value: [number, number] }[]) => (items[0] ? `${format.dateTime(items[0].value[0])}<br><b>${format.number(items[0].value[1], 2)}</b> ${unit}` : '') },
      series: [{ type: 'line', data, showSymbol: data.length < 3, lineStyle: { width: 2.5 }, areaStyle: { opacity: 0.12 } }],
    }),
    [data, unit],
  )
  return (
    <Loaded of={series} rows={1} height="13rem">
      {() => (data.length === 0 ? <p className="small quiet">{t('ioc:thing.no_series')}</p> : <Chart option={option} height="13rem" summary={t('ioc:thing.chart', { title, unit })} />)}
    </Loaded>
  )
}

/** A station or another thing of the city: what it says now and its last two days. */
export function ThingPanel({ id }: { id: string }) {
  const t = useT()
  const lng = useLanguage()
  const thing = useThing(id)
  const types = useThingTypes()
  const [chosen, setChosen] = useState<string>()
  if (thing.error && !thing.data) return <Failed error={thing.error} onRetry={() => void thing.refetch()} />
  if (!thing.data) return <Loading height="6rem" />
  const it = thing.data
  const type = types.data?.find(k => k.type === it.type)
  const about = (name: string) => type?.attributes.find(a => a.name === name)
  const title = (name: string) => named(lng, about(name)?.title, about(name)?.title_en) || name
  const numbers = Object.entries(it.attributes).filter(([, r]) => typeof r.value === 'number')
  const attribute = chosen ?? (type?.main_attribute && it.attributes[type.main_attribute] ? type.main_attribute : numbers[0]?.[0])
  const aqi = aqiOf(it)
  return (
    <div className="stack">
      <header className="stack-s">
        <div className="row">
          <Badge tone={it.state === 'ok' ? 'good' : 'info'}>{t(`thing.${it.state}`)}</Badge>
          {aqi === undefined ? null : <AqiBadge aqi={aqi} />}
        </div>
        <h2>{it.name}</h2>
        <p className="quiet">{[type ? named(lng, type.name, type.name_en) : it.type, it.area_name, it.observed_at ? format.ago(it.observed_at) : undefined].filter(Boolean).join(' · ')}</p>
      </header>
      {attribute ? (
        <section className="stack-s">
          <Select aria-label={t('ioc:thing.attribute')} value={attribute} onChange={e => setChosen(e.target.value)}>
            {numbers.map(([name]) => <option key={name} value={name}>{title(name)}</option>)}
          </Select>
          <Series thing={it} attribute={attribute} title={title(attribute)} unit={about(attribute)?.unit_text ?? ''} />
        </section>
      ) : null}
      <dl className="facts">
        {Object.entries(it.attributes).filter(([, r]) => typeof r.value === 'number' || typeof r.value === 'string' || typeof r.value === 'boolean').map(([name, r]) => (
          <div key={name}>
            <dt>{title(name)}</dt>
            <dd className="tnum">{typeof r.value === 'number' ? `${format.number(r.value, 2)} ${about(name)?.unit_text ?? ''}` : String(r.value)} <Flags flags={r.quality} /></dd>
          </div>
        ))}
        {it.source ? <div><dt>{t('thing.source')}</dt><dd>{it.source}</dd></div> : null}
        {it.device ? <div><dt>{t('ioc:thing.device')}</dt><dd><span className="code">{it.device.id}</span></dd></div> : null}
      </dl>
    </div>
  )
}
