/** Widgets that are one number: figure, gauge, share in time, air, clock. */
import { useEffect, useState, type ReactNode } from 'react'
import { useAlarmFigures, useAqi, useAqis, useIncidents, useIndicator, useStats, useThing, useThings, useThingTypes, useVitals, type Thing, type Vitals } from '@/api'
import { useLines, type CountOf, type Widget } from '@/api/boards'
import { named, useLanguage, useT } from '@/i18n'
import { aqiLevel, AqiBadge, Badge, cx, format, Loaded, Meter } from '@/ui'
import { Spark } from '@/ui/rich'
import { bandOf, tonesOf } from './model'

const TONES: Partial<Record<CountOf, string>> = { 'alarms-waiting': 'critical', 'alarms-critical': 'critical', 'alarms-high': 'high', 'cases-overdue': 'critical', 'cases-soon': 'high', 'things-silent': 'high', 'incidents-open': 'high' }

function counted(v: Vitals, count: CountOf): number {
  const standing = (severity: 'critical' | 'high') => v.alarms.active[severity] + v.alarms.acknowledged[severity]
  if (count === 'alarms-waiting') return Object.values(v.alarms.active).reduce((a, b) => a + b, 0)
  if (count === 'alarms-critical') return standing('critical')
  if (count === 'alarms-high') return standing('high')
  if (count === 'cases-open') return v.cases.open
  if (count === 'cases-overdue') return v.cases.overdue
  if (count === 'cases-soon') return v.cases.soon
  if (count === 'cases-answered') return v.cases.answered_today
  return count === 'things-ok' ? v.things.ok : v.things.silent
}

function Big({ value, unit, tone, children }: { value: string; unit?: string | undefined; tone?: string | undefined; children?: ReactNode }) {
  return (
    <div className={cx('widget-figure', tone && `tone-${tone}`)}>
      <b className="tnum">{value}{unit ? <small> {unit}</small> : null}</b>
      {children ? <div className="widget-figure-foot">{children}</div> : null}
    </div>
  )
}

/** How many came in a day or a month: what a count alone does not say. */
function Trend({ count }: { count: CountOf }) {
  const t = useT()
  const alarms = count.startsWith('alarms')
  const cases = count.startsWith('cases')
  const days = useAlarmFigures({}, alarms)
  const months = useStats({ group: 'month' }, cases)
  const values = alarms ? (days.data?.days ?? []).slice(-14).map(d => d.alarms) : cases ? (months.data?.rows ?? []).toSorted((a, b) => a.key.localeCompare(b.key)).slice(-12).map(r => r.opened) : []
  if (values.length < 2) return null
  return <><Spark values={values} summary={t(alarms ? 'boards:trend.days' : 'boards:trend.months', { values: values.join(', ') })} /><span className="small quiet">{t(alarms ? 'boards:trend.by_day' : 'boards:trend.by_month')}</span></>
}

function Incidents() {
  const list = useIncidents({ view: 'open', drill: false })
  return <Loaded of={list} rows={1} height="3rem">{data => { const n = data.pages[0]?.items.length ?? 0; return <Big value={`${format.number(n)}${data.pages[0]?.next ? '+' : ''}`} tone={n > 0 ? TONES['incidents-open'] : undefined} /> }}</Loaded>
}

function Count({ count }: { count: CountOf }) {
  const vitals = useVitals()
  return <Loaded of={vitals} rows={1} height="3rem">{v => { const n = counted(v, count); return <Big value={format.number(n)} tone={n > 0 ? TONES[count] : undefined}><Trend count={count} /></Big> }}</Loaded>
}

function unitOf(types: ReturnType<typeof useThingTypes>['data'], thing: Thing, attribute: string) {
  return types?.find(type => type.type === thing.type)?.attributes.find(a => a.name === attribute)
}

function Latest({ thing, attribute }: { thing: string; attribute: string }) {
  const t = useT()
  const lng = useLanguage()
  const one = useThing(thing)
  const types = useThingTypes()
  const past = useLines([{ thing, attribute }], 24, 3600, 'mean')
  return (
    <Loaded of={one} rows={1} height="3rem">
      {it => {
        const about = unitOf(types.data, it, attribute)
        const reading = it.attributes[attribute]
        const values = past.lines[0]?.points.map(p => p[1]) ?? []
        const shown = typeof reading?.value === 'number' ? format.number(reading.value, 2) : reading?.value === undefined || reading.value === null ? '–' : String(reading.value)
        return (
          <Big value={shown} unit={about?.unit_text}>
            <Spark values={values} summary={t('boards:trend.hours', { from: format.number(values[0]), to: format.number(values.at(-1)) })} />
            <span className="small quiet">{[it.name, about ? named(lng, about.title, about.title_en) : attribute, format.ago(reading?.observed_at ?? it.observed_at)].join(' · ')}{it.state === 'ok' ? null : <> <Badge>{t(`thing.${it.state}`)}</Badge></>}</span>
          </Big>
        )
      }}
    </Loaded>
  )
}

function Indicator({ set, code, area }: { set: string; code: string; area?: string }) {
  const t = useT()
  const lng = useLanguage()
  const found = useIndicator(set, code, area ? { area } : {})
  return (
    <Loaded of={found} rows={1} height="3rem">
      {({ indicator: i, area_name, period }) => (
        <Big value={i.value ? (i.value.text ?? format.number(i.value.number, 2)) : '–'} unit={i.value?.text ? undefined : i.unit}>
          <Spark values={i.trend.map(p => p.number)} summary={t('boards:trend.values', { values: i.trend.map(p => `${p.period}: ${format.number(p.number)}`).join(', ') })} />
          <span className="small quiet">{[named(lng, i.name, i.name_en), area_name, period].join(' · ')}</span>
          <Badge tone={i.standing === 'met' ? 'good' : i.standing === 'near' ? 'medium' : i.standing === 'behind' ? 'critical' : 'info'}>{t(`boards:standing.${i.standing}`)}</Badge>
        </Big>
      )}
    </Loaded>
  )
}

export function FigureBody({ widget: { set } }: { widget: Widget }) {
  const series = set.series?.[0]
  if (series) return <Latest {...series} />
  if (set.indicator) return <Indicator {...set.indicator} />
  return set.count === 'incidents-open' ? <Incidents /> : <Count count={set.count ?? 'alarms-waiting'} />
}

const AQI = [50, 100, 150, 200, 300]

function arc(from: number, to: number): string {
  const point = (share: number) => `${(100 - 84 * Math.cos(Math.PI * share)).toFixed(2)} ${(100 - 84 * Math.sin(Math.PI * share)).toFixed(2)}`
  return `M ${point(from)} A 84 84 0 0 1 ${point(to)}`
}

/** A half circle with its levels; the word of the level stands beside, so that colour never stands alone. */
function Dial({ value, low, high, limits, colours, words, unit, digits }: { value: number; low: number; high: number; limits: readonly number[]; colours: readonly string[]; words: readonly string[]; unit: string; digits: number }) {
  const t = useT()
  const share = (n: number) => Math.min(1, Math.max(0, (n - low) / (high - low)))
  const ends = [low, ...limits, high]
  const band = bandOf(value, limits)
  const at = Math.PI * share(value)
  return (
    <div className="dial">
      <svg viewBox="0 0 200 112" role="img" aria-label={t('boards:gauge.said', { value: format.number(value, digits), unit, level: words[band] ?? '' })}>
        {colours.map((colour, i) => (share(ends[i + 1] ?? high) > share(ends[i] ?? low) ? <path key={i} d={arc(share(ends[i] ?? low), share(ends[i + 1] ?? high))} stroke={colour} strokeWidth={i === band ? 22 : 14} fill="none" /> : null))}
        <line x1={100} y1={100} x2={100 - 66 * Math.cos(at)} y2={100 - 66 * Math.sin(at)} stroke="currentColor" strokeWidth={4} strokeLinecap="round" />
        <circle cx={100} cy={100} r={7} fill="currentColor" />
      </svg>
      <p className="dial-value"><b className="tnum">{format.number(value, digits)}</b> {unit}</p>
      <p className="dial-word"><i style={{ background: colours[band] }} aria-hidden />{words[band]}</p>
    </div>
  )
}

/** Levels of VN_AQI begin above their bound: 50 is still the first. */
function AqiDial({ thing }: { thing: Thing }) {
  const t = useT()
  const aqi = useAqi(thing)
  if (aqi === undefined || aqi === null) return <p className="quiet">{t('thing.no_index')}</p>
  const levels = [1, 2, 3, 4, 5, 6]
  return <Dial value={Math.round(aqi)} low={0} high={500} limits={AQI.map(n => n + 0.5)} colours={levels.map(n => `var(--aqi-${n})`)} words={levels.map(n => t(`aqi.level.${n}`))} unit="VN_AQI" digits={0} />
}

export function GaugeBody({ widget: { set } }: { widget: Widget }) {
  const t = useT()
  const series = set.series?.[0]
  const thing = useThing(series?.thing)
  const types = useThingTypes()
  if (!series) return <p className="quiet">{t('boards:missing.series')}</p>
  return (
    <Loaded of={thing} rows={1} height="6rem">
      {it => {
        if (set.levels !== 'own') return <><AqiDial thing={it} /><p className="small quiet clip">{it.name}</p></>
        const value = it.attributes[series.attribute]?.value
        if (typeof value !== 'number') return <p className="quiet">{t('boards:no_value')}</p>
        const limits = set.limits ?? []
        const low = set.low ?? Math.min(0, value)
        const high = set.high ?? Math.max(value, (limits.at(-1) ?? 1) * 1.25)
        const tones = tonesOf(limits)
        return (
          <>
            <Dial value={value} low={low} high={high > low ? high : low + 1} limits={limits} colours={tones.map(tone => `var(--${tone})`)} words={tones.map(tone => t(`boards:level.${tone}`))} unit={unitOf(types.data, it, series.attribute)?.unit_text ?? ''} digits={2} />
            <p className="small quiet clip">{it.name} · {t('boards:gauge.own')}</p>
          </>
        )
      }}
    </Loaded>
  )
}

export function OnTimeBody() {
  const t = useT()
  const stats = useStats({ group: 'month' })
  return (
    <Loaded of={stats} rows={2}>
      {({ rows }) => {
        const months = rows.toSorted((a, b) => a.key.localeCompare(b.key)).slice(-12)
        const [closed, inTime] = months.reduce(([c, o], r) => [c + r.closed, o + r.on_time], [0, 0])
        if (closed === 0) return <p className="quiet">{t('boards:no_cases')}</p>
        const shares = months.filter(r => r.closed > 0).map(r => (100 * r.on_time) / r.closed)
        return (
          <Big value={format.percent(inTime / closed, 1)}>
            <Meter share={inTime / closed} tone={inTime / closed >= 0.9 ? 'good' : inTime / closed >= 0.7 ? 'medium' : 'critical'} label={t('boards:kind.on-time.name')} />
            <span className="small quiet">{t('boards:on_time', { n: format.number(inTime), of: format.number(closed), months: months.length })}</span>
            <Spark values={shares} summary={t('boards:trend.months', { values: shares.map(s => `${format.number(s, 0)} %`).join(', ') })} width={160} height={34} />
          </Big>
        )
      }}
    </Loaded>
  )
}

export function AirBody({ widget: { set } }: { widget: Widget }) {
  const t = useT()
  const station = set.series?.[0]?.thing
  const one = useThing(station)
  const all = useThings({ type: set.type ?? 'AirQualityObserved', limit: 60 }, !station)
  const things = station ? (one.data ? [one.data] : []) : (all.data?.items ?? []).filter(thing => thing.state === 'ok')
  const indexes = useAqis(things)
  const worst = things.reduce<{ thing: Thing; aqi: number } | undefined>((best, thing) => {
    const aqi = indexes.get(thing.id)
    return aqi !== undefined && aqi > (best?.aqi ?? -1) ? { thing, aqi } : best
  }, undefined)
  const of = station ? one : all
  return (
    <Loaded of={{ data: of.data, error: of.error, refetch: of.refetch }} rows={1}>
      {() => worst ? (
        <a className="widget-air" href={`/ioc?thing=${encodeURIComponent(worst.thing.id)}`} style={{ background: `var(--aqi-${aqiLevel(worst.aqi)})`, color: `var(--aqi-${aqiLevel(worst.aqi)}-ink)` }}>
          <span>{station ? worst.thing.name : t('boards:air.worst')}</span>
          <AqiBadge aqi={worst.aqi} />
          <span className="clip">{station ? format.ago(worst.thing.observed_at) : worst.thing.name}</span>
        </a>
      ) : <p className="quiet">{t('thing.no_index')}</p>}
    </Loaded>
  )
}

export function ClockBody() {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return <time className="widget-clock tnum" dateTime={new Date(now).toISOString()}><b>{format.time(now)}</b><span>{format.weekday(now)}</span></time>
}
