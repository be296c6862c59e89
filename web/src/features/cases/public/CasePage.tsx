import { Building2, MapPin, Rss, Share2, Users } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import type { OwnDetails, PublicCase } from '@/api'
import { useCommunes, useMe } from '@/api/access'
import { photoAddress, useCaseTypes, useFollow, usePublicCase, useRate, useReporterMove } from '@/api/cases'
import { loadTexts, named, useLanguage, useT } from '@/i18n'
import { CityMap } from '@/map'
import { Button, Card, Due, FailedNote, Field, format, Line, LinkButton, Loaded, Note, PhaseBadge, Photos, Stars, StarsPick, TextArea, toast, toastError, useTitle, type Stop } from '@/ui'
import '../cases.css'

// What only the reporter sees is not loaded for everybody.
const RecordingAdd = lazy(async () => ({ default: (await import('../report/RecordingAdd')).RecordingAdd }))
const OwnConsent = lazy(async () => ({ default: (await import('./OwnConsent')).OwnConsent }))
const MyData = lazy(async () => ({ default: (await import('./MyData')).MyData }))
const FollowBox = lazy(async () => {
  const [module] = await Promise.all([import('./FollowBox'), loadTexts('notify')])
  return module
})

function stops(item: PublicCase, lng: 'vi' | 'en', t: (key: string) => string): Stop[] {
  const ended = item.phase === 'solved' || item.phase === 'unsolved'
  const passed: Stop[] = (item.timeline ?? []).map((entry, i, all) => ({
    key: `${entry.at}${i}`,
    title: named(lng, entry.what, entry.what_en),
    at: format.dateTime(entry.at),
    body: entry.unit?.name || entry.text ? (
      <>
        {entry.unit?.name ? <span className="small quiet">{entry.unit.name}</span> : null}
        {entry.text ? <p className="small">{entry.text}</p> : null}
      </>
    ) : undefined,
    ...(i === all.length - 1 ? { place: 'here' as const } : {}),
  }))
  if (passed.length === 0) passed.push({ key: 'opened', title: t('citizen:case.received'), at: format.dateTime(item.opened_at), place: 'here' })
  if (!ended) passed.push({ key: 'ahead', title: t('citizen:case.answer_by'), at: format.dateTime(item.due_at), place: 'ahead' })
  return passed
}

function Rating({ item, keyOf }: { item: PublicCase; keyOf: string | undefined }) {
  const t = useT()
  const rate = useRate(item.code, keyOf)
  const [stars, setStars] = useState(0)
  const [comment, setComment] = useState('')
  return (
    <Card>
      <form className="stack" onSubmit={event => (event.preventDefault(), rate.mutate({ stars, ...(comment.trim() ? { comment: comment.trim() } : {}) }, { onSuccess: () => toast(t('citizen:case.rated')) }))}>
        <h2>{t('citizen:case.rate')}</h2>
        <StarsPick value={stars} onChange={setStars} />
        {stars > 0 ? (
          <>
            <Field label={stars <= 2 ? t('citizen:case.why_bad') : t('citizen:case.why')}>{ids => <TextArea {...ids} rows={2} maxLength={1000} value={comment} onChange={e => setComment(e.target.value)} />}</Field>
            <FailedNote error={rate.error} />
            <Button type="submit" busy={rate.isPending}>{t('citizen:case.send_rating')}</Button>
          </>
        ) : null}
      </form>
    </Card>
  )
}

/** The handling unit asked something: the reporter answers here, the clock stands still until then. */
function OwnQuestion({ item, own, keyOf }: { item: PublicCase; own: OwnDetails; keyOf: string | undefined }) {
  const t = useT()
  const lng = useLanguage()
  const act = useReporterMove(item.code, keyOf)
  const [words, setWords] = useState('')
  const move = own.moves[0]
  if (!move) return null
  return (
    <Card>
      <form className="stack" onSubmit={event => (event.preventDefault(), act.mutate({ move: move.code, version: own.version, ...(move.requires.includes('reason') ? { reason: words.trim() } : { note: words.trim() }) }, { onSuccess: () => toast(t('citizen:case.reply_sent')) }))}>
        <h2>{t('citizen:case.question')}</h2>
        <p className="said">{own.question}</p>
        <Field label={t('citizen:case.reply')}>{ids => <TextArea {...ids} required rows={3} maxLength={2000} value={words} onChange={e => setWords(e.target.value)} />}</Field>
        <FailedNote error={act.error} />
        <Button type="submit" busy={act.isPending} disabled={!words.trim()}>{named(lng, move.name, move.name_en)}</Button>
      </form>
    </Card>
  )
}

function Body({ item, keyOf }: { item: PublicCase; keyOf: string | undefined }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const home = me.data?.home.code
  const communes = useCommunes(home)
  const follow = useFollow()
  const ended = item.phase === 'solved' || item.phase === 'unsolved'
  const own = item.own
  const type = useCaseTypes().data?.find(kind => kind.categories.some(category => category.code === item.category))
  const shown = own && own.photos.length > 0 ? own.photos : item.photos
  const before = shown.map((sha, i) => ({ thumb: photoAddress(sha, 'thumb', keyOf), full: photoAddress(sha, 'full', keyOf), alt: t('citizen:case.photo_before', { n: i + 1 }), tag: t('citizen:case.before') }))
  const after = (item.answer?.photos ?? []).map((sha, i) => ({ thumb: photoAddress(sha, 'thumb'), full: photoAddress(sha), alt: t('citizen:case.photo_after', { n: i + 1 }), tag: t('citizen:case.after') }))
  const paired = before.length === 1 && after.length === 1

  async function share(): Promise<void> {
    const url = `${location.origin}/r/${item.code}`
    try {
      if (navigator.share) await navigator.share({ title: item.category_name, url })
      else {
        await navigator.clipboard.writeText(url)
        toast(t('citizen:sent.copied'))
      }
    } catch {
      // The person closed the share sheet: nothing to say.
    }
  }

  return (
    <>
      <header className="case-head">
        <div className="row">
          <PhaseBadge phase={item.phase}>{named(lng, item.state_name, item.state_name_en) || undefined}</PhaseBadge>
          <span className="quiet tnum">{item.code}</span>
          {item.rating ? <Stars value={item.rating} /> : null}
        </div>
        <h1>{named(lng, item.category_name, item.category_name_en)}</h1>
        <div className="case-meta">
          {item.area_name ? (
            <span className="bit">
              <MapPin size={15} aria-hidden /> {item.area_name}
            </span>
          ) : null}
          <span>{format.dateTime(item.opened_at)}</span>
          {item.due_at ? <Due at={item.due_at} closed={item.closed_at} /> : null}
        </div>
      </header>
      <div className="case-cols">
        <div className="stack">
          {paired ? <div className="pair"><Photos photos={before} size={320} /><Photos photos={after} size={320} /></div> : null}
          {item.answer ? (
            <Card className="answer">
              <div className="stack-s">
                <span className="row small strong"><Building2 size={16} aria-hidden /> {t('citizen:case.answered_by', { unit: item.unit.name })}</span>
                <p className="answer-text">{item.answer.text}</p>
                <span className="small quiet">{format.dateTime(item.answer.at)}</span>
                {paired ? null : <Photos photos={after} />}
              </div>
            </Card>
          ) : null}
          {own?.question ? <OwnQuestion item={item} own={own} keyOf={keyOf} /> : null}
          {own?.may_rate ? <Rating item={item} keyOf={keyOf} /> : null}
          <Card>
            <div className="stack">
              <h2>{t('citizen:case.report')}</h2>
              <p className="said">{item.text || own?.text || <span className="quiet">{t('citizen:case.text_hidden')}</span>}</p>
              {paired ? null : <Photos photos={before} />}
              <div className="row">
                {ended ? null : (
                  <Button look="secondary" icon={<Users size={18} aria-hidden />} busy={follow.isPending} disabled={follow.isSuccess} onClick={() => follow.mutate(item.code, { onSuccess: () => toast(t('citizen:case.followed_long')), onError: toastError })}>
                    {follow.isSuccess ? t('citizen:case.followed') : t('citizen:case.me_too')}
                    {item.followers ? <span className="quiet tnum">{item.followers}</span> : null}
                  </Button>
                )}
                <Button look="quiet" icon={<Share2 size={18} aria-hidden />} onClick={() => void share()}>{t('citizen:case.share')}</Button>
                <LinkButton look="quiet" href={`/api/cases/public/${item.code}/feed.atom`} icon={<Rss size={18} aria-hidden />}>{t('citizen:case.feed')}</LinkButton>
              </div>
            </div>
          </Card>
        </div>
        <div className="stack">
          <Card>
            <div className="stack">
              <h2>{t('citizen:case.way')}</h2>
              <Line label={t('citizen:case.way')} stops={stops(item, lng, t)} />
              {item.planned_for ? <Note tone="brand">{t('citizen:case.planned', { at: format.date(item.planned_for) })}</Note> : null}
              {item.parts ? (
                <div className="stack-s">
                  <h3>{t('citizen:case.parts')}</h3>
                  <ul className="plain-list stack-s">
                    {item.parts.map((part, i) => <li key={i} className="row small"><PhaseBadge phase={part.phase}>{named(lng, part.state_name, part.state_name_en)}</PhaseBadge><span>{part.unit.name}</span></li>)}
                  </ul>
                </div>
              ) : null}
              {item.merged_into ? <p><a href={`/r/${item.merged_into}`}>{t('citizen:case.merged', { code: item.merged_into })}</a></p> : null}
              {item.unit.name ? <p className="small quiet">{t('citizen:case.unit')}: <strong>{item.unit.name}</strong></p> : null}
            </div>
          </Card>
          <Suspense fallback={null}>
            {item.own ? <OwnConsent code={item.code} keyOf={keyOf} own={item.own} /> : null}
            {own && keyOf && !ended && type ? <Card tight><RecordingAdd code={item.code} secret={keyOf} most={type.media} bytes={type.media_bytes} seconds={type.media_seconds} /></Card> : null}
            {item.own ? <MyData code={item.code} keyOf={keyOf} /> : null}
          </Suspense>
          {ended && !own?.may_rate ? null : <Suspense fallback={null}><FollowBox topic={`case:${item.code}`} keyOf={keyOf} /></Suspense>}
          {item.location ? (
            <Card tight>
              <div className="case-map">
                <CityMap label={t('citizen:case.map')} home={home} communes={communes.data} bare cluster={false} view={{ ...item.location, zoom: 12.5 }} points={[{ id: item.code, ...item.location, mark: item.phase }]} />
              </div>
            </Card>
          ) : null}
        </div>
      </div>
    </>
  )
}

/** `/r/CODE` for everybody; `/t/CODE#KEY` for who reported: the key stays in the address's fragment, which browsers do not send. */
export default function CasePage({ params }: { params: Record<string, string> }) {
  const t = useT()
  const code = params['code'] ?? ''
  const keyOf = location.pathname.startsWith('/t/') ? decodeURIComponent(location.hash.slice(1)) || undefined : undefined
  const me = useMe()
  const item = usePublicCase(code, keyOf, me.data?.kind === 'citizen')
  useTitle(item.data ? `${item.data.category_name} ${code}` : code)
  return (
    <div className="wrap page">
      <Loaded of={item} rows={3} height="8rem">{data => <Body item={data} keyOf={keyOf} />}</Loaded>
      <p className="small quiet" style={{ marginTop: 'var(--s5)' }}>{t('citizen:case.public_note')}</p>
    </div>
  )
}
