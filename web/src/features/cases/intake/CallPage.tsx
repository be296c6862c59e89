import { Check as Tick, MapPin, Phone, Send, Users } from 'lucide-react'
import { useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { reportType, useAreaSearch, useCallerToo, useCaseTypes, useCommunes, useEnterReport, useMe, useNearby, usePublicTop, type LonLat, type PublicCase, type ReportReceipt } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { boundsOf, featureAt, PickMap } from '@/map'
import { Button, Card, Check, Failed, FailedNote, Field, fold, format, Input, LinkButton, Loading, Note, PageHeader, Segments, Select, TextArea, toast, toastError, useTitle } from '@/ui'
import { Questions, stopOf } from '../report/Questions'
import '../cases.css'
import './intake.css'
import { Picker, type Choice } from './Picker'

const CHANNELS = ['phone', 'counter', 'letter', 'social'] as const

interface Draft {
  key: string
  source: (typeof CHANNELS)[number]
  text: string
  area?: Choice
  spot?: LonLat
  address: string
  category?: Choice
  urgency: string
  name: string
  phone: string
  private: boolean
  answers: Record<string, string>
}

const blank = (source: Draft['source'] = 'phone'): Draft => ({ key: crypto.randomUUID(), source, text: '', address: '', urgency: '', name: '', phone: '', private: false, answers: {} })

/** The code as it is read over the telephone: `HY · 7K0 · 12A`. */
export function spelled(code: string): string {
  const [prefix = '', rest = ''] = code.split('-')
  return [prefix, ...(rest.match(/.{1,3}/g) ?? [])].join(' · ')
}

function Done({ receipt, onAgain }: { receipt: ReportReceipt; onAgain: () => void }) {
  const t = useT()
  return (
    <Card>
      <div className="stack" role="status">
        <p className="strong"><Tick size={20} aria-hidden style={{ display: 'inline', verticalAlign: '-4px' }} /> {t('intake:done')}</p>
        <p className="read-back">{spelled(receipt.code)}</p>
        <dl className="facts">
          <div><dt>{t('citizen:case.due')}</dt><dd>{format.dateTime(receipt.due_at)}</dd></div>
          <div><dt>{t('citizen:case.unit')}</dt><dd>{receipt.unit.name || '–'}</dd></div>
          <div><dt>{t('intake:link')}</dt><dd className="code">{location.origin}{receipt.tracking}</dd></div>
        </dl>
        {receipt.notice ? <Note tone="high">{receipt.notice}</Note> : null}
        <div className="row">
          <Button autoFocus icon={<Phone size={18} aria-hidden />} onClick={onAgain}>{t('intake:next')}</Button>
          <LinkButton look="secondary" href={`/work/${receipt.id}`}>{t('intake:open')}</LinkButton>
        </div>
      </div>
    </Card>
  )
}

/** Open reports near the place: the caller joins one instead of opening another. */
function Similar({ draft, onJoined }: { draft: Draft; onJoined: (code: string) => void }) {
  const t = useT()
  const lng = useLanguage()
  const near = useNearby(draft.spot, draft.category?.code)
  const there = usePublicTop(draft.area && !draft.spot ? { area: draft.area.code, ...(draft.category ? { category: draft.category.code } : {}), limit: 20 } : { limit: 1 })
  const join = useCallerToo()
  const open = (item: PublicCase) => item.phase !== 'solved' && item.phase !== 'unsolved'
  const found = (draft.spot ? near.data : draft.area ? there.data?.items.filter(open) : undefined)?.slice(0, 5) ?? []
  return (
    <Card tight>
      <div className="stack-s">
        <h2 className="h3"><Users size={18} aria-hidden style={{ display: 'inline', verticalAlign: '-3px' }} /> {t('intake:similar')}</h2>
        {found.length === 0 ? <p className="small quiet">{draft.area || draft.spot ? t('intake:similar_none') : t('intake:similar_first')}</p> : null}
        <ul className="plain-list stack-s">
          {found.map(item => (
            <li key={item.code} className="similar">
              <a href={`/r/${item.code}`} target="_blank" rel="noreferrer">{item.text || named(lng, item.category_name, item.category_name_en)}</a>
              <span className="small quiet">{[item.code, item.area_name, format.ago(item.opened_at), item.followers ? t('intake:followers', { n: item.followers }) : ''].filter(Boolean).join(' · ')}</span>
              <Button
                look="secondary"
                size="small"
                busy={join.isPending}
                onClick={() => join.mutate({ code: item.code, ...(draft.phone.trim() || draft.name.trim() ? { contact: { ...(draft.name.trim() ? { name: draft.name.trim() } : {}), ...(draft.phone.trim() ? { phone: draft.phone.trim() } : {}) } } : {}), ...(draft.text.trim() ? { note: draft.text.trim().slice(0, 1000) } : {}) }, { onSuccess: () => onJoined(item.code), onError: toastError })}
              >
                {t('intake:join')}
              </Button>
            </li>
          ))}
        </ul>
      </div>
    </Card>
  )
}

/** What the words point at comes first. */
function ranked(categories: readonly Choice[], hints: ReadonlyMap<string, string>, words: string, text: string): Choice[] {
  const wanted = fold(words.trim())
  const said = fold(text).split(/[^a-z0-9]+/).filter(word => word.length > 2)
  const score = (c: Choice) => said.filter(word => (hints.get(c.code) ?? '').includes(word)).length
  return categories
    .filter(c => !wanted || (hints.get(c.code) ?? '').includes(wanted))
    .map((c, i) => ({ c, i, s: score(c) }))
    .sort((a, b) => b.s - a.s || a.i - b.i)
    .map(({ c }) => c)
}

export default function CallPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('intake:title'))
  const me = useMe()
  const home = me.data?.home.code
  const types = useCaseTypes()
  const communes = useCommunes(home)
  const enter = useEnterReport()
  const [draft, setDraft] = useState<Draft>(blank)
  const [done, setDone] = useState<ReportReceipt>()
  const [areaWords, setAreaWords] = useState('')
  const [categoryWords, setCategoryWords] = useState('')
  const [mapped, setMapped] = useState(false)
  const hits = useAreaSearch(areaWords)
  const words = useRef<HTMLDivElement>(null)
  const change = (part: Partial<Draft>) => setDraft(before => ({ ...before, ...part }))
  const type = reportType(types.data)
  const category = type?.categories.find(c => c.code === draft.category?.code)

  // The call has begun: the cursor stands in the words as soon as the form is drawn.
  const drawn = type !== undefined && !done
  useEffect(() => {
    if (drawn) words.current?.querySelector('textarea')?.focus()
  }, [drawn])

  const features = useMemo(() => communes.data?.features ?? [], [communes.data])
  const areas = useMemo(() => {
    const wanted = fold(areaWords.trim())
    const all = features.map(f => ({ code: String(f.properties?.['code']), name: String(f.properties?.['name']) }))
    const now: Choice[] = all.filter(a => !wanted || fold(a.name).includes(wanted)).slice(0, 8)
    const known = new Set(all.map(a => a.code))
    // Old names lead to the communes of today.
    const old = (hits.data?.items ?? []).flatMap(hit => hit.current.filter(c => known.has(c.code) && c.code !== hit.code).map(c => ({ code: c.code, name: c.name, note: t('citizen:report.was', { name: hit.name }) })))
    return [...now, ...old.filter(o => !now.some(n => n.code === o.code))].slice(0, 10)
  }, [areaWords, features, hits.data, t])
  const hints = useMemo(() => new Map((type?.categories ?? []).map(c => [c.code, fold(`${c.name} ${c.name_en} ${c.hint ?? ''}`)])), [type])
  const categories = useMemo(() => (type?.categories ?? []).map(c => ({ code: c.code, name: named(lng, c.name, c.name_en) })), [type, lng])
  const shape = features.find(f => f.properties?.['code'] === draft.area?.code)

  const ready = Boolean(draft.text.trim() && draft.category && (draft.area || draft.spot || draft.address.trim()) && stopOf(category, draft.answers) === undefined)
  function send(): void {
    if (!ready || !draft.category || enter.isPending) return
    const asked = new Set(category?.questions.map(q => q.code))
    const answers = Object.fromEntries(Object.entries(draft.answers).filter(([code, value]) => value.trim() && asked.has(code)))
    const contact = { ...(draft.name.trim() ? { name: draft.name.trim() } : {}), ...(draft.phone.trim() ? { phone: draft.phone.trim() } : {}) }
    enter.mutate(
      {
        key: draft.key,
        draft: {
          kind: type?.kind ?? 'report', category: draft.category.code, text: draft.text.trim(), source: draft.source,
          ...(draft.spot ?? (draft.area ? { area: draft.area.code } : {})),
          ...(draft.address.trim() ? { address: draft.address.trim() } : {}),
          ...(draft.urgency ? { urgency: draft.urgency } : {}),
          ...(Object.keys(contact).length > 0 ? { contact } : {}),
          ...(draft.private ? { private: true } : {}),
          ...(Object.keys(answers).length > 0 ? { answers } : {}),
        },
      },
      { onSuccess: receipt => (setDone(receipt), scrollTo(0, 0)) },
    )
  }
  function again(): void {
    setDraft(before => blank(before.source))
    setDone(undefined)
    setMapped(false)
    enter.reset()
  }
  function keys(event: KeyboardEvent): void {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      send()
    }
  }

  if (types.error) return <Failed error={types.error} onRetry={() => void types.refetch()} />
  if (!type) return <Loading />
  if (done) return <><PageHeader title={t('intake:title')} /><Done receipt={done} onAgain={again} /></>
  return (
    <>
      <PageHeader title={t('intake:title')} lead={t('intake:lead')} />
      <form className="desk" onKeyDown={keys} onSubmit={event => (event.preventDefault(), send())}>
        <Card>
          <div className="stack">
            <Segments label={t('intake:channel')} value={draft.source} onChange={source => change({ source })} options={CHANNELS.map(value => ({ value, label: t(`intake:channels.${value}`) }))} />
            <div ref={words}>
              <Field label={t('intake:words')} hint={t('intake:words_hint')}>{ids => <TextArea {...ids} required rows={4} maxLength={type.text_chars} value={draft.text} onChange={e => change({ text: e.target.value })} />}</Field>
            </div>
            <div className="two">
              <Picker label={t('intake:area')} hint={t('intake:area_hint')} words={areaWords} onWords={setAreaWords} choices={areas} chosen={draft.area} onChoose={area => setDraft(({ spot: _, ...before }) => ({ ...before, ...(area ? { area } : {}) }))} />
              <Field label={t('intake:address')} hint={t('intake:address_hint')}>{ids => <Input {...ids} maxLength={300} value={draft.address} onChange={e => change({ address: e.target.value })} />}</Field>
            </div>
            {mapped ? (
              <div className="intake-map">
                <PickMap label={t('citizen:report.map')} home={home} communes={communes.data} flyTo={shape ? { bounds: boundsOf(shape) } : undefined} onPick={spot => {
                  const at = communes.data ? featureAt(communes.data, spot) : undefined
                  change({ spot, ...(at ? { area: { code: String(at.properties?.['code']), name: String(at.properties?.['name']) } } : {}) })
                }} />
              </div>
            ) : <div><Button look="quiet" size="small" icon={<MapPin size={17} aria-hidden />} onClick={() => setMapped(true)}>{t('intake:on_map')}</Button></div>}
            <div className="two">
              <Picker label={t('intake:category')} words={categoryWords} onWords={setCategoryWords} choices={ranked(categories, hints, categoryWords, draft.text)} chosen={draft.category} onChoose={c => change({ ...(c ? { category: c } : {}), answers: {} })} />
              <Field label={t('intake:urgency')} hint={t('intake:urgency_hint')}>
                {ids => <Select {...ids} value={draft.urgency} onChange={e => change({ urgency: e.target.value })}><option value="">{t('intake:urgency_rule')}</option>{type.urgencies.map(u => <option key={u.code} value={u.code}>{named(lng, u.name, u.name_en)}</option>)}</Select>}
              </Field>
            </div>
            {category ? <Questions category={category} answers={draft.answers} onChange={answers => change({ answers })} /> : null}
            <div className="two">
              <Field label={t('intake:caller')}>{ids => <Input {...ids} maxLength={100} autoComplete="off" value={draft.name} onChange={e => change({ name: e.target.value })} />}</Field>
              <Field label={t('intake:phone')}>{ids => <Input {...ids} type="tel" maxLength={20} autoComplete="off" value={draft.phone} onChange={e => change({ phone: e.target.value })} />}</Field>
            </div>
            <p className="small quiet">{t('intake:hidden')}</p>
            {type.private_notice ? <Check checked={draft.private} onChange={e => change({ private: e.target.checked })}>{named(lng, type.private_notice, type.private_notice_en)}</Check> : null}
            <FailedNote error={enter.error} />
            <div className="spread">
              <span className="small quiet">{t('intake:keys')}</span>
              <Button type="submit" busy={enter.isPending} disabled={!ready} icon={<Send size={18} aria-hidden />}>{t('intake:send')}</Button>
            </div>
          </div>
        </Card>
        <div className="desk-side stack">
          <Similar draft={draft} onJoined={code => (toast(t('intake:joined', { code: spelled(code) })), again())} />
        </div>
      </form>
    </>
  )
}
