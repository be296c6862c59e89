import { Send } from 'lucide-react'
import { useState } from 'react'
import { can, useDecide, useForwards, useHandOver, useMe, usePeers, type Case, type Forward } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Card, Dialog, FailedNote, Field, format, Input, Note, Select, toast, toastError } from '@/ui'

export const FORWARD_TONE = { waiting: 'waiting', unsure: 'high', token: 'waiting', open: 'working', closed: 'good', stuck: 'critical', 'taken-back': 'info' } as const

/** What a person can decide about a case in another system's hands. */
export function Decide({ forward }: { forward: Forward }) {
  const t = useT()
  const decide = useDecide()
  const [id, setId] = useState('')
  const done = { onSuccess: () => toast(t('notify:forward.decided')), onError: toastError }
  if (forward.state === 'closed' || forward.state === 'taken-back') return null
  return (
    <div className="stack-s">
      <div className="row">
        {forward.state === 'stuck' ? <Button look="secondary" size="small" busy={decide.isPending} onClick={() => decide.mutate({ id: forward.id, what: 'again' }, done)}>{t('notify:forward.again')}</Button> : null}
        <Button look="quiet" size="small" busy={decide.isPending} onClick={() => decide.mutate({ id: forward.id, what: 'take-back' }, done)}>{t('notify:forward.take_back')}</Button>
      </div>
      {forward.state === 'stuck' || forward.state === 'unsure' ? (
        <form className="row" onSubmit={event => (event.preventDefault(), decide.mutate({ id: forward.id, what: 'adopt', service_request_id: id.trim() }, done))}>
          <Field label={t('notify:forward.adopt')}>{ids => <Input {...ids} maxLength={100} value={id} onChange={e => setId(e.target.value)} />}</Field>
          <Button type="submit" look="quiet" size="small" disabled={!id.trim()}>{t('notify:forward.adopt_save')}</Button>
        </form>
      ) : null}
    </div>
  )
}

function HandOver({ item, onClose }: { item: Case; onClose: () => void }) {
  const t = useT()
  const peers = usePeers()
  const give = useHandOver(item.id)
  const [peer, setPeer] = useState('')
  const [service, setService] = useState('')
  const chosen = peers.data?.find(p => p.id === peer)
  const mapped = chosen?.services.find(s => s.category === item.category)?.service_code
  return (
    <Dialog open onClose={onClose} title={t('notify:forward.give')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), give.mutate({ peer, ...(service.trim() ? { service_code: service.trim() } : {}) }, { onSuccess: () => { toast(t('notify:forward.given')); onClose() } }))}>
        <Note>{t('notify:forward.clock')}</Note>
        <Field label={t('notify:forward.peer')}>{ids => <Select {...ids} required value={peer} onChange={e => setPeer(e.target.value)}><option value="">{t('notify:admin.choose')}</option>{peers.data?.filter(p => p.active).map(p => <option key={p.id} value={p.id}>{p.name}</option>)}</Select>}</Field>
        <Field label={t('notify:forward.service')} hint={mapped ? t('notify:forward.mapped', { code: mapped }) : t('notify:forward.unmapped')}>{ids => <Input {...ids} maxLength={100} required={chosen !== undefined && !mapped} placeholder={mapped} value={service} onChange={e => setService(e.target.value)} />}</Field>
        <FailedNote error={give.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={give.isPending} disabled={!peer}>{t('notify:forward.give')}</Button></div>
      </form>
    </Dialog>
  )
}

/** The case in another system's hands: its id and state there, what is stuck and why. */
export function Forwards({ item }: { item: Case }) {
  const t = useT()
  const me = useMe()
  const triage = can(me.data, 'case-triage')
  const forwards = useForwards(item.id)
  const peers = usePeers(triage)
  const [giving, setGiving] = useState(false)
  const rows = forwards.data ?? []
  const busy = rows.some(f => f.state !== 'closed' && f.state !== 'taken-back')
  const offer = triage && !busy && item.published && !item.clock.stopped && (peers.data?.some(p => p.active) ?? false)
  if (rows.length === 0 && !offer) return null
  return (
    <Card tight>
      <div className="stack-s">
        <h3>{t('notify:forward.title')}</h3>
        {rows.map(f => (
          <div key={f.id} className="stack-s">
            <div className="row"><Badge tone={FORWARD_TONE[f.state]}>{t(`notify:forward.states.${f.state}`)}</Badge><strong>{f.peer_name}</strong><span className="quiet tnum">{f.service_request_id}</span></div>
            {f.status_notes ? <p className="small">{f.status_notes}</p> : null}
            {f.reason ? <Note tone={f.state === 'stuck' ? 'critical' : 'info'}>{f.reason}</Note> : null}
            <span className="small quiet">{f.by} · {format.dateTime(f.at)}{f.checked_at ? ` · ${t('notify:forward.checked', { at: format.ago(f.checked_at) })}` : ''}</span>
            {triage ? <Decide forward={f} /> : null}
          </div>
        ))}
        {offer ? <Button look="secondary" size="small" icon={<Send size={16} aria-hidden />} onClick={() => setGiving(true)}>{t('notify:forward.give')}</Button> : null}
      </div>
      {giving ? <HandOver item={item} onClose={() => setGiving(false)} /> : null}
    </Card>
  )
}
