/** What one widget shows, chosen by searching: nobody types an id. */
import { ChevronDown, ChevronUp, X } from 'lucide-react'
import { useId, useMemo, useState } from 'react'
import { useAreaSearch, useScorecard, useSets, useThing, useThings, useThingTypes, type Severity, type Thing, type ThingType } from '@/api'
import type { CountOf, SeriesOf, Widget, WidgetSettings } from '@/api/boards'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Field, fold, Input, Note, SearchBox, Segments, Select, TextArea } from '@/ui'
import { useSettled } from '@/ui/rich'
import { missing, SERIES, within } from './model'

const COUNTS: readonly CountOf[] = ['alarms-waiting', 'alarms-critical', 'alarms-high', 'incidents-open', 'cases-open', 'cases-overdue', 'cases-soon', 'cases-answered', 'things-ok', 'things-silent']
const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'info']
const WINDOWS: readonly [number, number][] = [[6, 300], [24, 3600], [72, 3600], [168, 21_600], [720, 86_400], [2_160, 86_400], [8_760, 604_800]]

interface Part {
  set: WidgetSettings
  onSet: (change: WidgetSettings) => void
}

function attributesOf(thing: Thing, types: readonly ThingType[] | undefined): { name: string; title: string; title_en: string }[] {
  const known = types?.find(type => type.type === thing.type)?.attributes ?? []
  return Object.entries(thing.attributes).filter(([, reading]) => typeof reading.value === 'number').map(([name]) => known.find(a => a.name === name) ?? { name, title: name, title_en: name })
}

function Chosen({ series, onRemove }: { series: SeriesOf; onRemove: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const thing = useThing(series.thing)
  const types = useThingTypes()
  const about = types.data?.find(type => type.type === thing.data?.type)?.attributes.find(a => a.name === series.attribute)
  const words = `${thing.data?.name ?? series.thing} · ${about ? named(lng, about.title, about.title_en) : series.attribute}`
  return <li><span className="grow clip">{words}</span><Button look="quiet" size="small" iconOnly icon={<X size={18} aria-hidden />} onClick={onRemove}>{t('boards:set.remove', { what: words })}</Button></li>
}

/** Searches things, then offers what they measure. */
function SeriesPick({ set, onSet, most }: Part & { most: number }) {
  const t = useT()
  const lng = useLanguage()
  const [words, setWords] = useState('')
  const q = useSettled(words.trim())
  const [thing, setThing] = useState<Thing>()
  const things = useThings({ q, limit: 20 }, q.length > 0)
  const types = useThingTypes()
  const series = set.series ?? []
  const id = useId()
  const add = (one: Thing, attribute: string) => {
    // What had the focus goes away: it returns to the search.
    document.getElementById(id)?.focus()
    const next = [...series.filter(s => s.thing !== one.id || s.attribute !== attribute), { thing: one.id, attribute }]
    onSet({ series: next.slice(-most) })
    setThing(undefined)
    setWords('')
  }
  return (
    <div className="stack-s">
      {series.length > 0 ? <ul className="picked">{series.map(s => <Chosen key={`${s.thing} ${s.attribute}`} series={s} onRemove={() => onSet({ series: series.filter(other => other !== s) })} />)}</ul> : null}
      <SearchBox id={id} label={t('boards:set.find_thing')} value={words} onChange={value => (setWords(value), setThing(undefined))} />
      {thing ? (
        <div className="hits" role="group" aria-label={thing.name}>
          {attributesOf(thing, types.data).map((a, i) => <button key={a.name} type="button" autoFocus={i === 0} onClick={() => add(thing, a.name)}>{named(lng, a.title, a.title_en)}<small className="quiet">{thing.name}</small></button>)}
          {attributesOf(thing, types.data).length === 0 ? <p className="small quiet">{t('boards:set.no_numbers')}</p> : null}
        </div>
      ) : q ? (
        <div className="hits" role="group" aria-label={t('boards:set.things')}>
          {(things.data?.items ?? []).map(one => <button key={one.id} type="button" onClick={() => setThing(one)}><span>{one.name}</span><small className="quiet">{one.area_name}</small></button>)}
          {things.data?.items.length === 0 ? <p className="small quiet">{t('boards:set.no_things')}</p> : null}
        </div>
      ) : null}
    </div>
  )
}

function IndicatorPick({ set, onSet }: Part) {
  const t = useT()
  const lng = useLanguage()
  const sets = useSets()
  const code = set.indicator?.set ?? sets.data?.[0]?.code
  const card = useScorecard(code ? { set: code } : {})
  const [words, setWords] = useState('')
  const q = fold(useSettled(words.trim()))
  const all = useMemo(() => card.data?.groups.flatMap(group => group.indicators) ?? [], [card.data])
  const chosen = all.find(i => i.code === set.indicator?.code)
  const hits = q ? all.filter(i => fold(`${i.code} ${i.name} ${i.name_en}`).includes(q)).slice(0, 20) : []
  return (
    <div className="stack-s">
      {chosen ? <p className="strong">{named(lng, chosen.name, chosen.name_en)}</p> : null}
      {(sets.data?.length ?? 0) > 1 ? <Select aria-label={t('boards:set.set')} value={code} onChange={e => onSet({ indicator: { set: e.target.value, code: all[0]?.code ?? '' } })}>{sets.data?.map(s => <option key={s.code} value={s.code}>{named(lng, s.title, s.title_en)}</option>)}</Select> : null}
      <SearchBox label={t('boards:set.find_indicator')} value={words} onChange={setWords} />
      {q ? <div className="hits" role="group" aria-label={t('boards:set.indicators')}>{hits.map(i => <button key={i.code} type="button" onClick={() => (onSet({ indicator: { set: code ?? '', code: i.code } }), setWords(''))}><span>{named(lng, i.name, i.name_en)}</span><small className="quiet">{i.code}</small></button>)}{hits.length === 0 ? <p className="small quiet">{t('boards:set.no_things')}</p> : null}</div> : null}
    </div>
  )
}

function Figure({ set, onSet }: Part) {
  const t = useT()
  const [wanted, setWanted] = useState<'count' | 'series' | 'indicator'>()
  const what = wanted ?? (set.indicator ? 'indicator' : set.series?.length ? 'series' : 'count')
  const nothing: WidgetSettings = { count: undefined, series: undefined, indicator: undefined } as unknown as WidgetSettings
  return (
    <>
      <Segments label={t('boards:set.what')} value={what} onChange={setWanted} options={(['count', 'series', 'indicator'] as const).map(value => ({ value, label: t(`boards:set.figure.${value}`) }))} />
      {what === 'count' ? (
        <Field label={t('boards:set.count')}>{ids => <Select {...ids} value={set.count ?? ''} onChange={e => onSet({ ...nothing, count: e.target.value as CountOf })}>{set.count ? null : <option value="" />}{COUNTS.map(c => <option key={c} value={c}>{t(`boards:count.${c}`)}</option>)}</Select>}</Field>
      ) : what === 'series' ? <SeriesPick set={set} most={1} onSet={change => onSet({ ...nothing, ...change })} /> : <IndicatorPick set={set} onSet={change => onSet({ ...nothing, ...change })} />}
    </>
  )
}

function Chart({ set, onSet }: Part) {
  const t = useT()
  const lng = useLanguage()
  const types = useThingTypes()
  const [wanted, setWanted] = useState<'series' | 'every'>()
  const what = wanted ?? (set.every ? 'every' : 'series')
  const type = types.data?.find(one => one.type === set.every?.type)
  const choose = (name: string) => {
    const found = types.data?.find(one => one.type === name)
    const attribute = found?.main_attribute ?? found?.attributes[0]?.name
    if (found && attribute) onSet({ every: { type: found.type, attribute }, series: undefined } as unknown as WidgetSettings)
  }
  return (
    <>
      <Segments label={t('boards:set.what')} value={what} onChange={setWanted} options={(['series', 'every'] as const).map(value => ({ value, label: t(`boards:set.chart.${value}`) }))} />
      {what === 'series' ? <SeriesPick set={set} most={SERIES} onSet={change => onSet({ every: undefined, ...change } as unknown as WidgetSettings)} /> : (
        <>
          <Field label={t('boards:set.type')} hint={t('boards:set.every_hint', { n: SERIES })}>{ids => <Select {...ids} value={set.every?.type ?? ''} onChange={e => choose(e.target.value)}>{set.every ? null : <option value="" />}{types.data?.filter(one => one.attributes.length > 0).map(one => <option key={one.type} value={one.type}>{named(lng, one.name, one.name_en)}</option>)}</Select>}</Field>
          {type ? <Field label={t('boards:set.attribute')}>{ids => <Select {...ids} value={set.every?.attribute} onChange={e => onSet({ every: { type: type.type, attribute: e.target.value } })}>{type.attributes.map(a => <option key={a.name} value={a.name}>{named(lng, a.title, a.title_en)}</option>)}</Select>}</Field> : null}
        </>
      )}
      <Field label={t('boards:set.window')}>{ids => <Select {...ids} value={set.hours ?? 24} onChange={e => { const found = WINDOWS.find(([hours]) => hours === Number(e.target.value)); if (found) onSet({ hours: found[0], bucket: found[1] }) }}>{WINDOWS.map(([hours]) => <option key={hours} value={hours}>{t(`boards:window.${hours}`)}</option>)}{WINDOWS.some(([hours]) => hours === (set.hours ?? 24)) ? null : <option value={set.hours}>{t('boards:window.own', { n: set.hours })}</option>}</Select>}</Field>
      <Segments label={t('boards:set.shape')} value={set.shape ?? 'line'} onChange={shape => onSet({ shape })} options={(['line', 'bar'] as const).map(value => ({ value, label: t(`boards:shape.${value}`) }))} />
      <Segments label={t('boards:set.take')} value={set.take ?? 'mean'} onChange={take => onSet({ take })} options={(['mean', 'min', 'max'] as const).map(value => ({ value, label: t(`boards:take.${value}`) }))} />
    </>
  )
}

const number = (text: string) => (text.trim() === '' ? undefined : Number(text))

function Gauge({ set, onSet }: Part) {
  const t = useT()
  const limits = set.limits ?? []
  return (
    <>
      <SeriesPick set={set} most={1} onSet={onSet} />
      <Segments label={t('boards:set.levels')} value={set.levels ?? 'aqi'} onChange={levels => onSet({ levels })} options={(['aqi', 'own'] as const).map(value => ({ value, label: t(`boards:levels.${value}`) }))} />
      {set.levels === 'own' ? (
        <>
          <Note>{t('boards:set.own_note')}</Note>
          <div className="four">{[0, 1, 2, 3].map(i => <Field key={i} label={t('boards:set.limit', { n: i + 1 })}>{ids => <Input {...ids} type="number" step="any" disabled={i > limits.length} value={limits[i] ?? ''} onChange={e => { const next = [...limits]; const value = number(e.target.value); if (value === undefined) next.splice(i); else next[i] = value; onSet({ limits: next }) }} />}</Field>)}</div>
          <div className="two-up">
            <Field label={t('boards:set.low')}>{ids => <Input {...ids} type="number" step="any" value={set.low ?? ''} onChange={e => onSet({ low: number(e.target.value) } as WidgetSettings)} />}</Field>
            <Field label={t('boards:set.high')}>{ids => <Input {...ids} type="number" step="any" value={set.high ?? ''} onChange={e => onSet({ high: number(e.target.value) } as WidgetSettings)} />}</Field>
          </div>
        </>
      ) : null}
    </>
  )
}

/** Alarms of one severity, of one commune. */
function AlarmFilter({ set, onSet }: Part) {
  const t = useT()
  const [words, setWords] = useState('')
  const q = useSettled(words.trim())
  const found = useAreaSearch(q)
  return (
    <>
      <Field label={t('boards:set.severity')}>{ids => <Select {...ids} value={set.severity ?? ''} onChange={e => onSet({ severity: (e.target.value || undefined) as Severity } as WidgetSettings)}><option value="">{t('ui.all')}</option>{SEVERITIES.map(s => <option key={s} value={s}>{t(`severity.${s}`)}</option>)}</Select>}</Field>
      {set.area ? <ul className="picked"><li><span className="grow">{set.area}</span><Button look="quiet" size="small" iconOnly icon={<X size={18} aria-hidden />} onClick={() => onSet({ area: undefined } as unknown as WidgetSettings)}>{t('boards:set.remove', { what: set.area })}</Button></li></ul> : null}
      <SearchBox label={t('boards:set.find_area')} value={words} onChange={setWords} />
      {q ? <div className="hits" role="group" aria-label={t('boards:set.find_area')}>{(found.data?.items ?? []).flatMap(hit => hit.current.slice(0, 1).map(area => <button key={`${hit.code} ${area.code}`} type="button" onClick={() => (onSet({ area: area.code }), setWords(''))}><span>{area.name}</span><small className="quiet">{hit.name}</small></button>))}</div> : null}
    </>
  )
}

function TypePick({ set, onSet, empty }: Part & { empty: string }) {
  const t = useT()
  const lng = useLanguage()
  const types = useThingTypes()
  return <Field label={t('boards:set.type')}>{ids => <Select {...ids} value={set.type ?? ''} onChange={e => onSet({ type: e.target.value || undefined } as WidgetSettings)}><option value="">{empty}</option>{types.data?.map(one => <option key={one.type} value={one.type}>{named(lng, one.name, one.name_en)}</option>)}</Select>}</Field>
}

function Map({ set, onSet }: Part) {
  const t = useT()
  return (
    <>
      <Field label={t('boards:set.layer')}>{ids => <Select {...ids} value={set.layer ?? 'alarms'} onChange={e => onSet({ layer: e.target.value as NonNullable<WidgetSettings['layer']> })}>{(['alarms', 'things', 'cases', 'incidents'] as const).map(l => <option key={l} value={l}>{t(`boards:layer.${l}`)}</option>)}</Select>}</Field>
      {set.layer === 'things' ? <TypePick set={set} onSet={onSet} empty={t('ui.all')} /> : set.layer === 'alarms' ? <AlarmFilter set={set} onSet={onSet} /> : null}
    </>
  )
}

interface SettingsProps {
  widget: Widget
  onChange: (widget: Widget) => void
  onPlace: (box: { x: number; y: number; w: number; h: number }) => void
}

/** The settings of the chosen widget, and its place in numbers for whoever would rather write than drag. */
export function Settings({ widget, onChange, onPlace }: SettingsProps) {
  const t = useT()
  const { kind, set } = widget
  const onSet = (change: WidgetSettings) => {
    const next = Object.fromEntries(Object.entries({ ...set, ...change }).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0))) as WidgetSettings
    onChange({ ...widget, set: next })
  }
  const part = { set, onSet }
  const lacks = missing(widget)
  return (
    <div className="stack">
      {lacks ? <Note tone="high">{t(`boards:missing.${lacks}`)}</Note> : null}
      <Field label={t(kind === 'heading' ? 'boards:set.heading' : 'boards:set.title')} hint={kind === 'heading' ? undefined : t('boards:set.title_hint')}>{ids => <Input {...ids} maxLength={120} value={widget.title ?? ''} onChange={e => onChange({ ...widget, title: e.target.value })} />}</Field>
      {kind === 'figure' ? <Figure {...part} /> : null}
      {kind === 'chart' ? <Chart {...part} /> : null}
      {kind === 'gauge' ? <Gauge {...part} /> : null}
      {kind === 'table' ? <Field label={t('boards:set.rows')}>{ids => <Select {...ids} value={set.rows ?? 'alarms'} onChange={e => onSet({ rows: e.target.value as NonNullable<WidgetSettings['rows']> })}>{(['alarms', 'incidents', 'cases', 'silent-devices'] as const).map(r => <option key={r} value={r}>{t(`boards:rows.${r}`)}</option>)}</Select>}</Field> : null}
      {kind === 'map' ? <Map {...part} /> : null}
      {kind === 'alarms' || (kind === 'table' && set.rows === 'alarms') ? <AlarmFilter {...part} /> : null}
      {kind === 'air' ? <><p className="small quiet">{t('boards:set.air_hint')}</p><SeriesPick {...part} most={1} />{set.series?.length ? null : <TypePick {...part} empty={t('boards:set.air_type')} />}</> : null}
      {kind === 'text' ? <Field label={t('boards:set.text')}>{ids => <TextArea {...ids} rows={5} maxLength={4000} value={set.text ?? ''} onChange={e => onSet({ text: e.target.value })} />}</Field> : null}
      <fieldset className="stack-s">
        <legend className="small strong">{t('boards:set.place')}</legend>
        <div className="four">
          {(['x', 'y', 'w', 'h'] as const).map(side => (
            <Stepper key={side} label={t(`boards:side.${side}`)} value={widget[side] + (side === 'x' || side === 'y' ? 1 : 0)} onBy={by => onPlace(within({ ...widget, [side]: widget[side] + by }))} />
          ))}
        </div>
      </fieldset>
    </div>
  )
}

function Stepper({ label, value, onBy }: { label: string; value: number; onBy: (by: number) => void }) {
  const t = useT()
  return (
    <div className="stepper" role="group" aria-label={label}>
      <span className="small quiet">{label}</span>
      <Button look="quiet" size="small" iconOnly icon={<ChevronUp size={18} aria-hidden />} onClick={() => onBy(1)}>{t('boards:set.more', { what: label })}</Button>
      <b className="tnum" aria-live="polite">{value}</b>
      <Button look="quiet" size="small" iconOnly icon={<ChevronDown size={18} aria-hidden />} onClick={() => onBy(-1)}>{t('boards:set.less', { what: label })}</Button>
    </div>
  )
}
