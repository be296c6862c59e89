import { useState } from 'react'
import { useMe } from '@/api/access'
import { useAddress, useAskAddress, useConfirmAddress } from '@/api/notify'
import { useT } from '@/i18n'
import { Badge, Button, Card, FailedNote, Field, Input, LinkButton, Note, PageHeader, useTitle } from '@/ui'

function Confirm({ token }: { token: string }) {
  const t = useT()
  const confirm = useConfirmAddress()
  if (confirm.isSuccess) return <Note tone="good">{t('notify:own.done')}</Note>
  return (
    <div className="stack">
      <p>{t('notify:own.confirm_lead')}</p>
      <FailedNote error={confirm.error} />
      <Button size="big" busy={confirm.isPending} onClick={() => confirm.mutate(token)}>{t('notify:own.confirm')}</Button>
    </div>
  )
}

function Own() {
  const t = useT()
  const address = useAddress(true)
  const ask = useAskAddress()
  const [email, setEmail] = useState('')
  if (ask.isSuccess) return <Note tone="good">{t('notify:own.sent', { address: email })}</Note>
  return (
    <form className="stack" onSubmit={event => (event.preventDefault(), ask.mutate(email.trim()))}>
      {address.data?.email ? <p className="row">{address.data.email} <Badge tone={address.data.confirmed ? 'good' : 'waiting'}>{t(address.data.confirmed ? 'notify:own.is_confirmed' : 'notify:own.not_confirmed')}</Badge></p> : null}
      <Field label={t('notify:address')}>{ids => <Input {...ids} required type="email" autoComplete="email" maxLength={254} value={email} onChange={e => setEmail(e.target.value)} />}</Field>
      <FailedNote error={ask.error} />
      <Button type="submit" busy={ask.isPending}>{t('notify:own.ask')}</Button>
    </form>
  )
}

/** The account's mail address; `#TOKEN` from the letter confirms it. */
export default function AddressPage() {
  const t = useT()
  useTitle(t('notify:own.title'))
  const me = useMe()
  const token = decodeURIComponent(location.hash.slice(1))
  return (
    <div className="wrap page" style={{ maxWidth: '27rem' }}>
      <PageHeader title={t('notify:own.title')} lead={t('notify:own.lead')} />
      <Card>{token ? <Confirm token={token} /> : me.data?.kind === 'anonymous' ? <LinkButton href="/sign-in?next=/address">{t('nav.sign_in')}</LinkButton> : <Own />}</Card>
    </div>
  )
}
