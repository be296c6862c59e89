import { BellRing, Mail } from 'lucide-react'
import { useState } from 'react'
import { canPush, useFollowTopic, useOffer } from '@/api/notify'
import { useLanguage, useT } from '@/i18n'
import { Button, Card, FailedNote, Field, Input, Note } from '@/ui'

/** Word about one report: in this browser by a click, or by mail after its owner opened the link. */
export default function FollowBox({ topic, keyOf }: { topic: string; keyOf?: string | undefined }) {
  const t = useT()
  const lang = useLanguage()
  const offer = useOffer()
  const push = useFollowTopic(offer.data)
  const mail = useFollowTopic(offer.data)
  const [address, setAddress] = useState('')
  const [open, setOpen] = useState(false)
  if (!offer.data || (!offer.data.mail && !canPush())) return null
  return (
    <Card>
      <div className="stack">
        <h2>{t('notify:box.title')}</h2>
        <p className="small quiet">{t('notify:box.lead')}</p>
        {canPush() ? (
          push.isSuccess ? <Note tone="good">{t('notify:box.here_done')}</Note> : (
            <Button look="secondary" icon={<BellRing size={18} aria-hidden />} busy={push.isPending} onClick={() => push.mutate({ topic, key: keyOf, lang })}>{t('notify:box.here')}</Button>
          )
        ) : null}
        <FailedNote error={push.error} />
        {offer.data.mail ? (
          mail.isSuccess ? <Note tone="good">{t('notify:box.mail_done', { address })}</Note> : !open ? (
            <Button look="quiet" icon={<Mail size={18} aria-hidden />} onClick={() => setOpen(true)}>{t('notify:box.mail')}</Button>
          ) : (
            <form className="stack-s" onSubmit={event => (event.preventDefault(), mail.mutate({ topic, key: keyOf, lang, mail: address.trim() }))}>
              <Field label={t('notify:address')} hint={t('notify:address_hint')}>{ids => <Input {...ids} type="email" required autoComplete="email" maxLength={254} value={address} onChange={e => setAddress(e.target.value)} />}</Field>
              <FailedNote error={mail.error} />
              <Button type="submit" busy={mail.isPending} disabled={!address.trim()}>{t('notify:box.send')}</Button>
            </form>
          )
        ) : null}
        <a className="small" href="/follows">{t('nav.follows')}</a>
      </div>
    </Card>
  )
}
