import { ArrowLeft, Check, Clock3, MapPin, Send, Users } from 'lucide-react'
import { lazy, Suspense, useEffect, useMemo, useState } from 'react'
import type { CaseType, Category, LonLat, PublicCase, ReportDraft } from '@/api'
import { useLocate, useMe } from '@/api/access'
import { reportType, useCaseTypes, useFollow, useNearby } from '@/api/cases'
import { useHours } from '@/api/intake'
import { enqueue, flush, queued, type QueuedReport } from '@/api/queue'
import { useSuggest, type Suggestion } from '@/api/suggest'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Check as CheckBox, Failed, Field, fold, format, Input, LinkButton, Loading, Note, PackIcon, PhotoPicker, TextArea, toast, toastError, useTitle } from '@/ui'
import '../cases.css'
import { Questions, stopOf } from './Questions'

// The map and recordings come with their steps.
const RecordingAdd = lazy(async () => ({ default: (await import('./RecordingAdd')).RecordingAdd }))
const PlaceStep = lazy(() => import('./PlaceStep'))

/** A value that has stood still for a while. */
function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}

type Step = 'photo' | 'place' | 'words'
const STEPS: readonly Step[] = ['photo', 'place', 'words']

interface Draft {
  photos: File[]
  place?: LonLat
  /** Where the camera says it stood: offered when the phone does not say where it is. */
  camera?: LonLat
  placeName?: string
  category?: string
  /** Whether the person chose the category; what they chose is never changed for them. */
  byHand: boolean
  text: string
  contact: { name: string; phone: string }
  anonymous: boolean
  private: boolean
  /** Version of the words by which the contact data may be given to those who handle it. */
  consent?: string | undefined
  answers: Record<string, string>
}

function Progress({ step, onStep }: { step: Step; onStep: (step: Step) => void }) {
  const t = useT()
  const at = STEPS.indexOf(step)
  return (
    <ol className="way" aria-label={t('citizen:report.steps')}>
      {STEPS.map((name, i) => (
        <li key={name} className={i < at ? 'done' : i === at ? 'now' : undefined}>
          <button type="button" disabled={i > at} aria-current={i === at ? 'step' : undefined} onClick={() => onStep(name)}>
            <i aria-hidden>{i < at ? <Check size={14} strokeWidth={3} /> : i + 1}</i>
            {t(`citizen:report.step.${name}`)}
          </button>
        </li>
      ))}
    </ol>
  )
}

function Similar({ place, category, found }: { place: LonLat | undefined; category: string | undefined; found: readonly PublicCase[] | undefined }) {
  const t = useT()
  const lng = useLanguage()
  const nearby = useNearby(category && !found ? place : undefined, category)
  const follow = useFollow()
  const [followed, setFollowed] = useState<string>()
  const near = found ?? nearby.data ?? []
  if (near.length === 0) return null
  return (
    <Note tone="brand" icon={<Users size={20} aria-hidden />}>
      <p className="strong">{t('citizen:report.similar', { n: near.length, count: near.length })}</p>
      <ul className="stack-s" style={{ marginTop: 'var(--s2)' }}>
        {near.slice(0, 3).map(item => (
          <li key={item.code} className="spread">
            <a href={`/r/${item.code}`} target="_blank" rel="noreferrer" className="grow">
              {item.text || named(lng, item.category_name, item.category_name_en)} <span className="small quiet">· {format.ago(item.opened_at)}</span>
            </a>
            {followed === item.code ? (
              <span className="strong">{t('citizen:case.followed')}</span>
            ) : (
              <Button look="secondary" size="small" onClick={() => follow.mutate(item.code, { onSuccess: () => setFollowed(item.code), onError: toastError })}>{t('citizen:case.me_too')}</Button>
            )}
          </li>
        ))}
      </ul>
    </Note>
  )
}

function Categories({ all, value, text, learned, filled, onChange }: { all: readonly Category[]; value: string | undefined; text: string; learned: Suggestion | undefined; filled: boolean; onChange: (code: string) => void }) {
  const t = useT()
  const lng = useLanguage()
  // What the words point at comes first, by what was learned from earlier reports, else by names and hints; the person chooses.
  const guesses = learned?.model ? learned.categories : undefined
  const words = fold(text).split(/[^a-z0-9]+/).filter(w => w.length > 2)
  const score = (category: Category) => guesses ? (guesses.find(g => g.code === category.code)?.p ?? 0) : words.filter(word => fold(`${category.name} ${category.name_en} ${category.hint ?? ''}`).includes(word)).length
  const best = Math.max(guesses ? 0.2 : 1, ...all.map(score))
  const sorted = all.map((category, i) => ({ category, i, s: score(category) })).sort((a, b) => b.s - a.s || a.i - b.i)
  return (
    <fieldset>
      <legend className="field-label">{t('citizen:report.category')}</legend>
      <p className="small quiet" role="status">{filled ? t('citizen:suggest.filled') : guesses ? t('citizen:suggest.from_words') : ''}</p>
      <div className="tiles boxed">
        {sorted.map(({ category, s }) => (
          <label key={category.code} className="tile">
            <input type="radio" name="category" checked={value === category.code} onChange={() => onChange(category.code)} />
            <span className="tile-icon"><PackIcon name={category.icon} /></span>
            {named(lng, category.name, category.name_en)}
            {s === best && !value ? <span className="badge tone-brand">{t('citizen:report.maybe')}</span> : null}
          </label>
        ))}
      </div>
    </fieldset>
  )
}

function Receipt({ report, type, onAgain }: { report: QueuedReport; type: CaseType | undefined; onAgain: () => void }) {
  const t = useT()
  const receipt = report.receipt
  const link = receipt ? `/t/${receipt.code}#${receipt.key}` : '/mine'
  return (
    <div className="ticket" role="status">
      <div className="ticket-head">
        <span className="ticket-mark"><Check size={34} strokeWidth={2.6} aria-hidden /></span>
        <div>
          <h1>{receipt ? t('citizen:sent.title') : t('citizen:sent.kept_title')}</h1>
          <p>{receipt ? t('citizen:sent.body') : t('citizen:sent.kept_body')}</p>
        </div>
      </div>
      {receipt ? (
        <dl className="ticket-facts">
          <div>
            <dt>{t('citizen:case.code')}</dt>
            <dd className="ticket-code">{receipt.code}</dd>
          </div>
          <div>
            <dt>{t('citizen:case.due')}</dt>
            <dd>{format.dateTime(receipt.due_at)}</dd>
          </div>
          <div>
            <dt>{t('citizen:case.unit')}</dt>
            <dd>{receipt.unit.name || '–'}</dd>
          </div>
        </dl>
      ) : null}
      {report.state === 'refused' ? <Note tone="critical">{t('citizen:sent.refused')} <span className="code">{report.error}</span></Note> : null}
      {receipt && type ? (
        <Suspense fallback={null}>
          <RecordingAdd code={receipt.code} secret={receipt.key} most={type.media} bytes={type.media_bytes} seconds={type.media_seconds} />
        </Suspense>
      ) : null}
      {receipt?.notice ? <Note tone="high">{receipt.notice}</Note> : null}
      <div className="row">
        <LinkButton href={link}>{receipt ? t('citizen:sent.follow') : t('nav.mine')}</LinkButton>
        {receipt ? (
          <Button look="secondary" onClick={() => void navigator.clipboard?.writeText(location.origin + link).then(() => toast(t('citizen:sent.copied')))}>{t('citizen:sent.copy')}</Button>
        ) : null}
        <Button look="quiet" onClick={onAgain}>{t('citizen:sent.again')}</Button>
      </div>
      {receipt ? <p className="small quiet">{t('citizen:sent.keep_link')}</p> : null}
    </div>
  )
}

const blank = (): Draft => {
  const category = new URLSearchParams(location.search).get('category')
  return { photos: [], text: '', contact: { name: '', phone: '' }, anonymous: false, private: false, answers: {}, byHand: category !== null, ...(category ? { category } : {}) }
}

export default function ReportPage() {
  const t = useT()
  useTitle(t('nav.report'))
  const lng = useLanguage()
  const types = useCaseTypes()
  const me = useMe()
  const hours = useHours()
  const [draft, setDraft] = useState<Draft>(blank)
  const [step, setStep] = useState<Step>('photo')
  const [sent, setSent] = useState<QueuedReport>()
  const [busy, setBusy] = useState(false)
  const change = (part: Partial<Draft>) => setDraft(before => ({ ...before, ...part }))
  const where = useLocate(draft.place)
  const asked = new URLSearchParams(location.search).get('kind') ?? 'report'
  const type = types.data?.find(kind => kind.kind === asked) ?? reportType(types.data)
  const category = type?.categories.find(c => c.code === draft.category)
  const placeName = where.data?.commune_name ?? draft.placeName ?? ''
  const anonymous = !me.data || me.data.kind === 'anonymous'
  const words = useSettled(draft.text.trim(), 500)
  const learned = useSuggest(step === 'words' ? type?.kind : undefined, words, draft.place, draft.byHand ? draft.category : undefined)
  const fill = learned.data?.fill ?? undefined
  // Filled in only when the model is sure, and only as long as the person has not chosen.
  useEffect(() => setDraft(before => (before.byHand || before.category === fill ? before : { ...before, category: fill })), [fill])

  const placed = useMemo(() => (place: LonLat) => setDraft(before => ({ ...before, place })), [])

  async function send(): Promise<void> {
    if (!draft.place || !draft.category || !draft.text.trim()) return
    setBusy(true)
    const asked = new Set(category?.questions.map(q => q.code))
    const answers = Object.fromEntries(Object.entries(draft.answers).filter(([code, value]) => value.trim() && asked.has(code)))
    const contact = Object.fromEntries(Object.entries(draft.contact).filter(([, value]) => value.trim()))
    const body: ReportDraft = {
      kind: type?.kind ?? 'report',
      category: draft.category,
      text: draft.text.trim(),
      lon: draft.place.lon,
      lat: draft.place.lat,
      ...(Object.keys(answers).length > 0 ? { answers } : {}),
      ...(Object.keys(contact).length > 0 ? { contact } : {}),
      ...(draft.anonymous ? { anonymous: true } : {}),
      ...(draft.private ? { private: true } : {}),
      ...(draft.consent && Object.keys(contact).length > 0 ? { consent: draft.consent } : {}),
    }
    try {
      const kept = await enqueue({ draft: body, photos: draft.photos, category_name: category?.name ?? draft.category, place_name: placeName })
      await flush()
      setSent((await queued()).find(report => report.id === kept.id) ?? kept)
      scrollTo(0, 0)
    } catch (cause) {
      toastError(cause)
    } finally {
      setBusy(false)
    }
  }

  if (sent) {
    return (
      <div className="wrap narrow page">
        <Receipt report={sent} type={type} onAgain={() => (setSent(undefined), setDraft(blank()), setStep('photo'))} />
      </div>
    )
  }

  return (
    <div className="wrap narrow page">
      <header className="step-head">
        {step === 'photo' ? null : <Button look="quiet" iconOnly icon={<ArrowLeft size={22} aria-hidden />} onClick={() => setStep(step === 'words' ? 'place' : 'photo')}>{t('ui.back')}</Button>}
        <h1>{t(`citizen:report.title.${step}`)}</h1>
      </header>
      <Progress step={step} onStep={setStep} />
      {step === 'photo' ? (
        <div className="stack">
          {hours.data && !hours.data.open ? <Note icon={<Clock3 size={20} aria-hidden />}>{t('citizen:report.after_hours', { at: format.dateTime(hours.data.opens_at) })}</Note> : null}
          {type?.emergency_notice ? <Note tone="high">{named(lng, type.emergency_notice, type.emergency_notice_en)}</Note> : null}
          <PhotoPicker
            hero
            photos={draft.photos}
            max={type?.photos ?? 5}
            onPlace={camera => change({ camera })}
            label={draft.photos.length === 0 ? t('citizen:report.take_photo') : undefined}
            onChange={photos => {
              change({ photos })
              if (draft.photos.length === 0 && photos.length > 0) setStep('place')
            }}
          />
          <p className="small quiet">{t('citizen:report.photo_hint')}</p>
          <Button look={draft.photos.length > 0 ? 'primary' : 'secondary'} size="big" onClick={() => setStep('place')}>{draft.photos.length > 0 ? t('ui.next') : t('citizen:report.no_photo')}</Button>
        </div>
      ) : null}
      {step === 'place' ? (
        <Suspense fallback={<Loading rows={1} height="20rem" />}>
          <PlaceStep place={draft.place} camera={draft.camera} onPlace={placed} onNext={name => (change({ placeName: name }), setStep('words'))} />
        </Suspense>
      ) : null}
      {step === 'words' ? (
        <form className="stack" onSubmit={event => (event.preventDefault(), void send())}>
          <Field label={t('citizen:report.words')} hint={named(lng, category?.hint, category?.hint_en) || t('citizen:report.words_hint')}>
            {ids => <TextArea {...ids} required rows={4} maxLength={type?.text_chars ?? 2000} value={draft.text} onChange={e => change({ text: e.target.value })} />}
          </Field>
          {type ? <Categories all={type.categories} value={draft.category} text={draft.text} learned={learned.data} filled={!draft.byHand && draft.category !== undefined} onChange={code => change({ category: code, byHand: true })} /> : types.error ? <Failed error={types.error} onRetry={() => void types.refetch()} kept={t('citizen:report.kept')} /> : <Loading rows={2} />}
          {category ? <Questions category={category} answers={draft.answers} onChange={answers => change({ answers })} /> : null}
          <Similar place={draft.place} category={draft.category} found={learned.data?.similar} />
          {type?.excluded_notice ? <p className="small quiet">{named(lng, type.excluded_notice, type.excluded_notice_en)}</p> : null}
          <details className="more">
            <summary>{t('citizen:report.contact')}</summary>
            <div className="stack" style={{ paddingTop: 'var(--s3)' }}>
              {anonymous ? (
                <div className="two">
                  <Field label={t('access.name')}>{ids => <Input {...ids} maxLength={120} autoComplete="name" value={draft.contact.name} onChange={e => change({ contact: { ...draft.contact, name: e.target.value } })} />}</Field>
                  <Field label={t('access.phone')}>{ids => <Input {...ids} type="tel" maxLength={20} autoComplete="tel" value={draft.contact.phone} onChange={e => change({ contact: { ...draft.contact, phone: e.target.value } })} />}</Field>
                </div>
              ) : (
                <CheckBox checked={draft.anonymous} onChange={e => change({ anonymous: e.target.checked })}>{t('citizen:report.anonymous')}</CheckBox>
              )}
              {type?.consent && anonymous && (draft.contact.name.trim() || draft.contact.phone.trim()) ? <CheckBox checked={draft.consent === type.consent.version} onChange={e => change({ consent: e.target.checked ? type.consent?.version : undefined })}>{named(lng, type.consent.text, type.consent.text_en)}</CheckBox> : null}
              {type?.private_notice ? <CheckBox checked={draft.private} onChange={e => change({ private: e.target.checked })}>{named(lng, type.private_notice, type.private_notice_en)}</CheckBox> : null}
              <p className="small quiet">{t('citizen:report.privacy')}</p>
            </div>
          </details>
          <div className="send-bar">
            <p className="small quiet grow">
              <MapPin size={15} aria-hidden style={{ display: 'inline', verticalAlign: '-2px' }} /> {placeName || t('citizen:report.place_chosen')} · {t('citizen:report.photos', { n: draft.photos.length, count: draft.photos.length })}
            </p>
            <Button type="submit" size="big" look="warm" busy={busy} disabled={!draft.category || !draft.text.trim() || stopOf(category, draft.answers) !== undefined} icon={<Send size={20} aria-hidden />}>{t('citizen:report.send')}</Button>
          </div>
        </form>
      ) : null}
    </div>
  )
}
