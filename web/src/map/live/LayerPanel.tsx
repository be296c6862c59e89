import { Flame, Layers, Search } from 'lucide-react'
import { useEffect, useState } from 'react'
import { useThings, type MapLayer, type Thing } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, cx, format, SearchBox } from '@/ui'
import { inkOn } from './draw'

/** What a person chose of the layers. */
export interface Choice {
  off: ReadonlySet<string>
  heat: ReadonlySet<string>
  /** By layer what of its legend is switched off. */
  hidden: Readonly<Record<string, ReadonlySet<string>>>
}

interface Props {
  layers: readonly MapLayer[]
  choice: Choice
  onChoice: (choice: Choice) => void
  /** In the past: why a layer is not there. */
  past: boolean
  troubles: Readonly<Record<string, string>>
  alarms: boolean
}

function toggled(set: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(set)
  if (!next.delete(key)) next.add(key)
  return next
}

/** Layers to switch, each with its legend; what is pressed in the legend is drawn. */
export function LayerPanel({ layers, choice, onChoice, past, troubles, alarms }: Props) {
  const t = useT()
  const lng = useLanguage()
  const [open, setOpen] = useState(() => !matchMedia('(max-width: 100rem)').matches)
  const hide = (layer: MapLayer, key: string) => onChoice({ ...choice, hidden: { ...choice.hidden, [layer.code]: toggled(choice.hidden[layer.code] ?? new Set(), key) } })
  return (
    <section className="live-panel live-layers" aria-label={t('ioc:live.layers')}>
      <Button look="quiet" size="small" icon={<Layers size={18} aria-hidden />} aria-expanded={open} onClick={() => setOpen(!open)}>{t('ioc:live.layers')}</Button>
      {open ? (
        <ul>
          {layers.map(layer => {
            const on = !choice.off.has(layer.code)
            const hidden = choice.hidden[layer.code] ?? new Set()
            const key = (code: string, words: string, swatch: { colour: string; mark: string } | undefined) => (
              <li key={code}>
                <button type="button" className="live-level" aria-pressed={!hidden.has(code)} onClick={() => hide(layer, code)}>
                  <i aria-hidden className={swatch ? undefined : 'live-none'} style={swatch ? { background: swatch.colour, color: inkOn(swatch.colour) } : undefined}>{swatch?.mark ?? '–'}</i>
                  {words}
                </button>
              </li>
            )
            return (
              <li key={layer.code}>
                <div className="live-layer">
                  <label>
                    <input type="checkbox" checked={on} onChange={() => onChoice({ ...choice, off: toggled(choice.off, layer.code) })} />
                    <span>{layer.code === 'other' ? t('ioc:live.other') : named(lng, layer.name, layer.name_en)}</span>
                    {layer.feed ? null : <span className="tnum quiet">{format.number(layer.count, 0)}</span>}
                  </label>
                  {layer.heat && on ? (
                    <Button look="quiet" size="small" iconOnly icon={<Flame size={17} aria-hidden />} aria-pressed={choice.heat.has(layer.code)} className={cx('live-heat', choice.heat.has(layer.code) && 'on')} onClick={() => onChoice({ ...choice, heat: toggled(choice.heat, layer.code) })}>{t('ioc:live.heat')}</Button>
                  ) : null}
                </div>
                {on && past && !layer.replay ? <p className="small quiet">{t('ioc:live.no_past')}</p> : null}
                {on && troubles[layer.code] ? <p className="small live-trouble" role="status">{troubles[layer.code]}</p> : null}
                {on && !layer.feed && (!past || layer.replay) ? (
                  <details open={(layer.level ?? []).length > 0}>
                    <summary className="small quiet">{t('ioc:live.legend_short')}</summary>
                    <ul className="live-legend" aria-label={t('ioc:live.legend')}>
                      {(layer.level ?? []).map((level, n) => key(String(n), named(lng, level.title, level.title_en), level))}
                      {key('-1', layer.attribute ? t('ioc:live.no_value') : t('thing.ok'), undefined)}
                      {past ? null : key('silent', t('thing.silent'), undefined)}
                      {alarms ? key('calm', t('ioc:live.calm'), undefined) : null}
                    </ul>
                  </details>
                ) : null}
                {on && layer.feed ? (
                  <ul className="live-legend">
                    {(layer.level ?? []).map(level => (
                      <li key={level.title} className="live-level">
                        <i aria-hidden style={{ background: level.colour, color: inkOn(level.colour) }}>{level.mark}</i>
                        {named(lng, level.title, level.title_en)}
                      </li>
                    ))}
                  </ul>
                ) : null}
                {on && layer.source_act ? <p className="small quiet">{t('ioc:live.scale', { act: layer.source_act })}{layer.status && layer.status !== 'confirmed' ? ` · ${t(`ioc:rule_status.${layer.status}`)}` : ''}</p> : null}
              </li>
            )
          })}
        </ul>
      ) : null}
    </section>
  )
}

/** Things by name, with diacritics or without. */
export function FindThing({ onFound }: { onFound: (thing: Thing) => void }) {
  const t = useT()
  const [open, setOpen] = useState(false)
  const [words, setWords] = useState('')
  const [asked, setAsked] = useState('')
  useEffect(() => {
    const timer = setTimeout(() => setAsked(words.trim()), 250)
    return () => clearTimeout(timer)
  }, [words])
  const found = useThings({ q: asked, limit: 8 }, open && asked.length >= 2)
  return (
    <search className="live-panel live-find">
      {open ? (
        <SearchBox label={t('ioc:live.find')} value={words} onChange={setWords} autoFocus onKeyDown={e => e.key === 'Escape' && (e.stopPropagation(), setOpen(false))} />
      ) : (
        <Button look="quiet" size="small" icon={<Search size={18} aria-hidden />} onClick={() => setOpen(true)}>{t('ioc:live.find')}</Button>
      )}
      {open && asked.length >= 2 && found.data ? (
        <ul aria-label={t('ioc:live.found')}>
          {found.data.items.map(thing => (
            <li key={thing.id}>
              <button type="button" onClick={() => { onFound(thing); setOpen(false) }}>
                <b>{thing.name}</b> <span className="small quiet">{thing.area_name ?? thing.type}</span>
              </button>
            </li>
          ))}
          {found.data.items.length === 0 ? <li className="small quiet" role="status">{t('ioc:live.none_found')}</li> : null}
        </ul>
      ) : null}
    </search>
  )
}
