import { useState, type FormEvent } from 'react'
import { can, useMe, useSay, useSettleMessage, useSignMessages, useTrafficCatalogue, useTrafficSigns, type SignMessage, type TrafficSign } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Dialog, Empty, FailedNote, Field, format, Input, Loaded, Select, TextArea, toast, toastError } from '@/ui'

const TONE = { none: 'info', asked: 'medium', sent: 'medium', done: 'good', failed: 'critical' } as const

function SayDialog({ sign, onClose }: { sign: TrafficSign; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const catalogue = useTrafficCatalogue()
  const say = useSay()
  const [library, setLibrary] = useState('')
  const [words, setWords] = useState('')
  const [priority, setPriority] = useState('5')
  const [lasts, setLasts] = useState('30')
  const ready = (catalogue.data?.library ?? []).filter(m => !m.lines.some(l => l.includes('{')))
  const send = (event: FormEvent) => {
    event.preventDefault()
    const lines = library ? [] : words.split('\n').map(l => l.trim()).filter(Boolean)
    say.mutate(
      { sign: sign.id, ...(library ? { library } : {}), lines, priority: Number(priority), minutes: Number(lasts) },
      { onSuccess: m => { toast(t(m.state === 'approved' ? 'traffic:sign.sent' : 'traffic:sign.waits')); onClose() } },
    )
  }
  return (
    <Dialog open onClose={onClose} title={t('traffic:sign.say_on', { name: sign.name })}>
      <form className="stack" onSubmit={send}>
        <Field label={t('traffic:sign.library')}>{ids => <Select {...ids} value={library} onChange={e => setLibrary(e.target.value)}><option value="">{t('traffic:sign.free')}</option>{ready.map(m => <option key={m.code} value={m.code}>{named(lng, m.name, m.name_en)}: {m.lines.join(' / ')}</option>)}</Select>}</Field>
        {library ? null : <Field label={t('traffic:sign.words')} hint={t(sign.letters === 'plain' ? 'traffic:sign.limits_plain' : 'traffic:sign.limits', { lines: sign.lines, chars: sign.chars })}>{ids => <TextArea {...ids} required rows={sign.lines} value={words} onChange={e => setWords(e.target.value)} />}</Field>}
        <div className="road-grid">
          <Field label={t('traffic:sign.priority')}>{ids => <Input {...ids} type="number" min={1} max={9} required value={priority} onChange={e => setPriority(e.target.value)} />}</Field>
          <Field label={t('traffic:sign.minutes')}>{ids => <Input {...ids} type="number" min={1} max={10080} required value={lasts} onChange={e => setLasts(e.target.value)} />}</Field>
        </div>
        <FailedNote error={say.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={say.isPending}>{t('traffic:sign.say')}</Button></div>
      </form>
    </Dialog>
  )
}

function MessageRow({ message }: { message: SignMessage }) {
  const t = useT()
  const me = useMe()
  const settle = useSettleMessage()
  const word = (approve: boolean) => settle.mutate({ id: message.id, version: message.version, approve }, { onError: toastError })
  const may = can(me.data, message.state === 'waiting' ? 'traffic-approve' : 'traffic-handle')
  return (
    <li>
      <strong className="sign-words">{message.lines.join(' / ')}</strong>
      <span className="small quiet">{[t(`traffic:sign.state.${message.state}`), message.why, t('traffic:sign.by', { who: message.by, at: format.dateTime(message.at) }), message.until ? t('traffic:sign.until', { at: format.dateTime(message.until) }) : ''].filter(Boolean).join(' · ')}</span>
      {may && (message.state === 'proposed' || message.state === 'waiting') ? <span className="row"><Button size="small" busy={settle.isPending} onClick={() => word(true)}>{t('traffic:sign.approve')}</Button><Button size="small" look="quiet" busy={settle.isPending} onClick={() => word(false)}>{t('traffic:sign.refuse')}</Button></span> : null}
      {may && message.state === 'approved' ? <Button size="small" look="secondary" busy={settle.isPending} onClick={() => word(false)}>{t('traffic:sign.take_back')}</Button> : null}
    </li>
  )
}

function Messages({ sign }: { sign: TrafficSign }) {
  const t = useT()
  const messages = useSignMessages(sign.id)
  return <Loaded of={messages} rows={1}>{all => (all.length ? <ul className="road-list">{all.slice(0, 12).map(m => <MessageRow key={m.id} message={m} />)}</ul> : <p className="quiet">{t('traffic:sign.no_messages')}</p>)}</Loaded>
}

/** Signs with what they show, whether they took it, and what waits for a person. */
export function SignsPanel() {
  const t = useT()
  const me = useMe()
  const signs = useTrafficSigns()
  const [open, setOpen] = useState<string>()
  const [saying, setSaying] = useState<TrafficSign>()
  const items = signs.data?.pages.flatMap(page => page.items) ?? []
  return (
    <Loaded of={signs}>
      {() =>
        items.length === 0 ? (
          <Empty title={t('traffic:sign.none')}>{t('traffic:sign.none_body')}</Empty>
        ) : (
          <ul className="road-cards">
            {items.map(s => (
              <li key={s.id} className="road-card">
                <div className="row"><strong className="grow">{s.name}</strong>{s.waiting ? <Badge tone="medium">{t('traffic:sign.waiting', { n: s.waiting })}</Badge> : null}</div>
                <div className="sign-face" role="img" aria-label={t('traffic:sign.face', { words: s.shown.join(' / ') || t('traffic:sign.dark') })}>{s.shown.length ? s.shown.map((line, n) => <span key={n}>{line}</span>) : <span className="quiet">{t('traffic:sign.dark')}</span>}</div>
                <div className="row"><Badge tone={TONE[s.order_state]}>{t(`traffic:sign.order.${s.order_state}`)}</Badge>{s.order_at ? <span className="small quiet">{format.ago(s.order_at)}</span> : null}{s.order_why ? <span className="small code">{s.order_why}</span> : null}</div>
                <div className="row">
                  {can(me.data, 'traffic-handle') ? <Button size="small" look="secondary" onClick={() => setSaying(s)}>{t('traffic:sign.say')}</Button> : null}
                  <Button size="small" look="quiet" aria-expanded={open === s.id} onClick={() => setOpen(open === s.id ? undefined : s.id)}>{t('traffic:sign.messages')}</Button>
                </div>
                {open === s.id ? <Messages sign={s} /> : null}
              </li>
            ))}
            {saying ? <SayDialog sign={saying} onClose={() => setSaying(undefined)} /> : null}
          </ul>
        )
      }
    </Loaded>
  )
}
