import { CheckCheck } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { can, useJudgeSignal, useMe, useNoteSignal, usePanelSignal, type PanelSignalView } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Dialog, FailedNote, Field, format, Line, Loaded, Note, SeverityBadge, TextArea, toastError, type Stop } from '@/ui'
import { Confirmed, useKinds, useWhere } from './parts'
import { PremisesFile } from './PremisesFile'

const VERDICTS = ['confirm', 'real', 'false', 'test'] as const
type Verdict = (typeof VERDICTS)[number]

function Judge({ signal, verdict, onClose }: { signal: PanelSignalView; verdict: Verdict; onClose: () => void }) {
  const t = useT()
  const judge = useJudgeSignal()
  const [reason, setReason] = useState('')
  const send = (event: FormEvent) => {
    event.preventDefault()
    judge.mutate({ id: signal.id, version: signal.version, verdict, reason: reason.trim() }, { onSuccess: onClose })
  }
  return (
    <Dialog open onClose={onClose} title={t(`panels:judge.${verdict}`)}>
      <form className="stack" onSubmit={send}>
        <p>{t(`panels:judge.${verdict}_body`)}</p>
        <Field label={t('panels:judge.reason')}>{ids => <TextArea {...ids} rows={3} maxLength={500} required={verdict !== 'real'} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <FailedNote error={judge.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={judge.isPending}>{t(`panels:judge.${verdict}`)}</Button></div>
      </form>
    </Dialog>
  )
}

/** How the signal went, in the order of time. */
function stops(s: PanelSignalView, t: ReturnType<typeof useT>): Stop[] {
  const after = (at: string) => t('panels:chain.after', { n: Math.max(0, Math.round((Date.parse(at) - Date.parse(s.at)) / 1000)) })
  const found: (Stop & { when: string })[] = [{ key: 'at', title: t('panels:chain.told'), at: format.dateTime(s.at), when: s.at }]
  const add = (key: string, when: string | null | undefined, title: string, body?: string) => {
    if (when) found.push({ key, title, at: `${format.dateTime(when)} · ${after(when)}`, when, ...(body ? { body } : {}) })
  }
  add('confirmed', s.confirmed_at, t(`panels:chain.confirmed_${s.confirmed_why === 'two' ? 'two' : s.confirmed_why === 'person' ? 'person' : 'once'}`))
  add('acked', s.acked_at, t('panels:chain.noted', { who: s.acked_by ?? '' }))
  add('restored', s.restored_at, t('panels:chain.restored'))
  add('verdict', s.verdict_at, t('panels:chain.judged', { what: s.verdict ? t(`panels:verdict.${s.verdict}`) : '', who: s.verdict_by ?? '' }), s.verdict_why ?? undefined)
  return found.toSorted((a, b) => a.when.localeCompare(b.when))
}

export function SignalPanel({ id, onPlace }: { id: string; onPlace: (at: { lon: number; lat: number }) => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const kinds = useKinds()
  const where = useWhere()
  const signal = usePanelSignal(id)
  const note = useNoteSignal()
  const [verdict, setVerdict] = useState<Verdict>()
  const may = can(me.data, 'alarm-handle')
  return (
    <Loaded of={signal} rows={5}>
      {s => {
        const kind = kinds.of(s.kind)
        const advice = kind ? named(lng, kind.advice, kind.advice_en) : ''
        const choices = s.class === 'alarm' ? VERDICTS.filter(v => v !== 'confirm' || !s.confirmed_at) : VERDICTS.filter(v => v === 'real' || v === 'test')
        return (
          <div className="stack">
            <header className="stack-s">
              <div className="row"><SeverityBadge severity={s.severity} /><Confirmed signal={s} />{s.open ? null : <Badge tone="info">{t('panels:over')}</Badge>}</div>
              <h2>{kinds.name(s.kind)}</h2>
              <p className="strong">{[s.premises?.name, where(s)].filter(Boolean).join(' · ') || t('panels:no_premises', { account: s.account })}</p>
              <p className="small quiet">{s.address}</p>
              {s.words ? <p className="panel-text">{s.words}</p> : null}
              {s.repeats ? <p className="small">{t('panels:repeats', { n: s.repeats })}</p> : null}
            </header>
            {advice && s.open ? <Note tone={s.severity === 'critical' ? 'critical' : 'info'}>{advice}</Note> : null}
            {may && s.open ? (
              <div className="row panel-acts">
                {s.acked_at ? null : <Button icon={<CheckCheck size={18} aria-hidden />} busy={note.isPending} onClick={() => note.mutate({ id: s.id, version: s.version }, { onError: toastError })}>{t('panels:note')}</Button>}
                {choices.map(v => <Button key={v} look={v === 'real' && s.class === 'alarm' ? 'danger' : 'secondary'} onClick={() => setVerdict(v)}>{t(s.class === 'alarm' ? `panels:judge.${v}` : `panels:judge.trouble_${v}`)}</Button>)}
              </div>
            ) : null}
            <Line label={t('panels:chain.title')} stops={stops(s, t)} />
            {s.premises ? <PremisesFile key={s.premises.id} id={s.premises.id} onPlace={onPlace} /> : null}
            <details className="panel-zones">
              <summary>{t('panels:messages.title', { n: s.messages.length })}</summary>
              <ul className="panel-list">
                {s.messages.map((m, n) => (
                  <li key={`${m.at} ${n}`}><span className="tnum small">{format.dateTime(m.at)}</span><span className="grow">{m.code_name ? named(lng, m.code_name, m.code_name_en ?? '') : t('panels:messages.unknown')}</span><span className="code">{m.scheme === 'device' ? '' : `${m.code} ${m.zone}`}</span></li>
                ))}
              </ul>
            </details>
            {verdict ? <Judge signal={s} verdict={verdict} onClose={() => setVerdict(undefined)} /> : null}
          </div>
        )
      }}
    </Loaded>
  )
}
