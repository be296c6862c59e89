import { Bell, BellRing, Mail, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useCommunes, useMe } from '@/api/access'
import { useCaseTypes } from '@/api/cases'
import { browserToken, canPush, useConfirmFollow, useFollows, useFollowTopic, useOffer, useStopAll, useUnfollow, type FollowView } from '@/api/notify'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Empty, FailedNote, Field, format, Input, Loaded, Note, PageHeader, Select, toast, toastError, useTitle } from '@/ui'

function Row({ follow, token }: { follow: FollowView; token: string | undefined }) {
  const t = useT()
  const lng = useLanguage()
  const end = useUnfollow(token)
  return (
    <Card tight>
      <div className="spread">
        <div className="stack-s">
          <a href={follow.path}><strong>{named(lng, follow.title.vi, follow.title.en)}</strong></a>
          <span className="row small quiet">
            {follow.via === 'mail' ? <Mail size={15} aria-hidden /> : <BellRing size={15} aria-hidden />}
            {follow.via === 'mail' ? follow.address : t('notify:browser')}
            <span>{t(follow.pace === 'daily' ? 'notify:daily' : 'notify:now')}</span>
            <span>{t('notify:since', { at: format.date(follow.since) })}</span>
            {follow.waiting ? <Badge tone="waiting">{t('notify:waiting')}</Badge> : null}
          </span>
        </div>
        <Button look="quiet" size="small" icon={<Trash2 size={16} aria-hidden />} busy={end.isPending} onClick={() => end.mutate(follow.id, { onSuccess: () => toast(t('notify:ended')), onError: toastError })}>{t('notify:end')}</Button>
      </div>
    </Card>
  )
}

function List({ token, title }: { token: string | undefined; title: string }) {
  const t = useT()
  const follows = useFollows(token)
  const stop = useStopAll(token ?? '')
  return (
    <section className="stack" style={{ marginBottom: 'var(--s6)' }}>
      <h2>{title}</h2>
      <Loaded of={follows} height="4rem" rows={2}>
        {rows => rows.length === 0 ? <Empty icon={<Bell size={28} aria-hidden />} title={t('notify:none')}>{t('notify:none_body')}</Empty> : (
          <>
            {rows.map(row => <Row key={row.id} follow={row} token={token} />)}
            {token ? <p><Button look="quiet" busy={stop.isPending} onClick={() => stop.mutate(undefined, { onSuccess: () => toast(t('notify:all_ended')), onError: toastError })}>{t('notify:end_all')}</Button></p> : null}
          </>
        )}
      </Loaded>
    </section>
  )
}

/** A commune, a category, or both; by mail once a day, in this browser at once. */
function Place() {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const communes = useCommunes(me.data?.home.code)
  const types = useCaseTypes()
  const offer = useOffer()
  const follow = useFollowTopic(offer.data)
  const [area, setArea] = useState('')
  const [category, setCategory] = useState('')
  const [address, setAddress] = useState('')
  const areas = (communes.data?.features ?? []).map(f => ({ code: String(f.properties?.['code'] ?? ''), name: String(f.properties?.['name'] ?? '') })).sort((a, b) => a.name.localeCompare(b.name, 'vi'))
  const wish = { topic: `place:${area}/${category}`, lang: lng }
  const chosen = area !== '' || category !== ''
  return (
    <Card>
      <form className="stack" onSubmit={event => (event.preventDefault(), follow.mutate({ ...wish, mail: address.trim() }, { onSuccess: () => toast(t('notify:box.mail_done', { address })) }))}>
        <h2>{t('notify:place.title')}</h2>
        <p className="small quiet">{t('notify:place.lead')}</p>
        <Field label={t('notify:place.area')}>{ids => <Select {...ids} value={area} onChange={e => setArea(e.target.value)}><option value="">{t('notify:place.any_area')}</option>{areas.map(a => <option key={a.code} value={a.code}>{a.name}</option>)}</Select>}</Field>
        <Field label={t('notify:place.category')}>{ids => <Select {...ids} value={category} onChange={e => setCategory(e.target.value)}><option value="">{t('notify:place.any_category')}</option>{types.data?.flatMap(type => type.categories).map(c => <option key={c.code} value={c.code}>{named(lng, c.name, c.name_en)}</option>)}</Select>}</Field>
        {offer.data?.mail ? <Field label={t('notify:address')} hint={t('notify:address_hint')}>{ids => <Input {...ids} type="email" autoComplete="email" maxLength={254} value={address} onChange={e => setAddress(e.target.value)} />}</Field> : null}
        <FailedNote error={follow.error} />
        <div className="row">
          {offer.data?.mail ? <Button type="submit" icon={<Mail size={18} aria-hidden />} busy={follow.isPending} disabled={!chosen || !address.trim()}>{t('notify:place.by_mail')}</Button> : null}
          {canPush() ? <Button look="secondary" icon={<BellRing size={18} aria-hidden />} busy={follow.isPending} disabled={!chosen} onClick={() => follow.mutate(wish, { onSuccess: () => toast(t('notify:box.here_done')) })}>{t('notify:box.here')}</Button> : null}
        </div>
      </form>
    </Card>
  )
}

/** People in office choose what reaches them: new work of their units, deadlines. */
function Office() {
  const t = useT()
  const lng = useLanguage()
  const offer = useOffer()
  const follow = useFollowTopic(offer.data)
  const [address, setAddress] = useState('')
  const send = (topic: 'work' | 'due', mail: boolean) => follow.mutate({ topic, lang: lng, ...(mail ? { mail: address.trim() } : {}) }, { onSuccess: receipt => toast(receipt.state === 'following' ? t('notify:box.here_done') : t('notify:box.mail_done', { address })) })
  return (
    <Card>
      <div className="stack">
        <h2>{t('notify:office.title')}</h2>
        <p className="small quiet">{t('notify:office.lead')}</p>
        {offer.data?.mail ? <Field label={t('notify:address')} hint={t('notify:address_hint')}>{ids => <Input {...ids} type="email" autoComplete="email" maxLength={254} value={address} onChange={e => setAddress(e.target.value)} />}</Field> : null}
        <FailedNote error={follow.error} />
        {(['work', 'due'] as const).map(topic => (
          <div key={topic} className="row">
            <strong>{t(`notify:office.${topic}`)}</strong>
            {offer.data?.mail ? <Button look="secondary" size="small" icon={<Mail size={16} aria-hidden />} disabled={!address.trim() || follow.isPending} onClick={() => send(topic, true)}>{t('notify:place.by_mail')}</Button> : null}
            {canPush() ? <Button look="secondary" size="small" icon={<BellRing size={16} aria-hidden />} disabled={follow.isPending} onClick={() => send(topic, false)}>{t('notify:box.here')}</Button> : null}
          </div>
        ))}
      </div>
    </Card>
  )
}

/** The link in a mail begins only by a click: mail scanners open links, too. */
function Confirm({ token }: { token: string }) {
  const t = useT()
  const lng = useLanguage()
  const confirm = useConfirmFollow()
  return (
    <Card>
      <div className="stack">
        <h2>{t('notify:confirm.title')}</h2>
        {confirm.data ? (
          <Note tone="good">{t('notify:confirm.done', { what: confirm.data.filter(f => !f.waiting).map(f => named(lng, f.title.vi, f.title.en)).join(', ') })}</Note>
        ) : (
          <>
            <p>{t('notify:confirm.lead')}</p>
            <FailedNote error={confirm.error} />
            <Button size="big" busy={confirm.isPending} onClick={() => confirm.mutate(token)}>{t('notify:confirm.begin')}</Button>
          </>
        )}
      </div>
    </Card>
  )
}

/** What is followed: of an address (`#TOKEN` from a mail), of this browser, of the signed-in person. */
export default function FollowsPage() {
  const t = useT()
  useTitle(t('nav.follows'))
  const me = useMe()
  const hash = decodeURIComponent(location.hash.slice(1)) || undefined
  const confirming = location.search.startsWith('?confirm')
  const here = browserToken()
  const signedIn = me.data?.kind === 'citizen' || me.data?.kind === 'staff'
  return (
    <div className="wrap narrow page">
      <PageHeader title={t('nav.follows')} lead={t('notify:lead')} />
      {confirming && hash ? <Confirm token={hash} /> : (
        <>
          {hash ? <List token={hash} title={t('notify:of_address')} /> : null}
          {here && here !== hash ? <List token={here} title={t('notify:of_browser')} /> : null}
          {signedIn ? <List token={undefined} title={t('notify:of_account')} /> : null}
          <div className="stack">
            {me.data?.kind === 'staff' ? <Office /> : null}
            <Place />
          </div>
        </>
      )}
    </div>
  )
}
