import { Check, CircleDashed, CircleSlash, ExternalLink, SkipForward, TimerReset } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import type { IncidentView, ProcedureRun, RunStep, useIncidentAct } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, cx, FailedNote, Field, format, Segments, TextArea } from '@/ui'
import { clock } from './parts'

type Doing = ReturnType<typeof useIncidentAct>
const ICON = { waiting: CircleDashed, active: TimerReset, done: Check, skipped: SkipForward, 'passed-by': CircleSlash } as const

function Active({ run, step, doing, now }: { run: ProcedureRun; step: RunStep; doing: Doing; now: number }) {
  const t = useT()
  const lng = useLanguage()
  const [ticked, setTicked] = useState<readonly number[]>([])
  const [answer, setAnswer] = useState('')
  const [note, setNote] = useState('')
  const [skipping, setSkipping] = useState(false)
  const [reason, setReason] = useState('')
  const left = step.due_at ? (Date.parse(step.due_at) - now) / 1000 : undefined
  const end = (event: FormEvent) => {
    event.preventDefault()
    const json = { version: run.version, step: step.def.code, ...(skipping ? { skip: true, reason } : { ticked, ...(answer ? { answer } : {}) }), ...(note.trim() ? { note: note.trim() } : {}) }
    doing.mutate({ path: `/procedures/${run.id}`, json })
  }
  return (
    <form className="run-active stack-s" onSubmit={end}>
      <div className="spread">
        <b>{named(lng, step.def.text, step.def.text_en)}</b>
        {left === undefined ? null : <Badge tone={left < 0 ? 'critical' : left < 60 ? 'high' : 'low'}>{left < 0 ? t('incidents:step_late', { time: clock(-left) }) : t('incidents:step_left', { time: clock(left) })}</Badge>}
      </div>
      {step.def.role ? <span className="small quiet">{t('incidents:role', { role: t(`incidents:roles.${step.def.role}`) })}</span> : null}
      {step.def.checklist.map((line, i) => <label key={line} className="check check-line"><input type="checkbox" checked={ticked.includes(i)} onChange={e => setTicked(before => (e.target.checked ? [...before, i] : before.filter(x => x !== i)))} /><span>{line}</span></label>)}
      {step.def.links.length > 0 ? <div className="row wrap-row">{step.def.links.map(link => <a key={link.href} href={link.href}>{link.title} <ExternalLink size={13} aria-hidden /></a>)}</div> : null}
      {step.def.question ? (
        <div className="stack-s"><span className="field-label">{named(lng, step.def.question, step.def.question_en ?? undefined)}</span><Segments label={named(lng, step.def.question, step.def.question_en ?? undefined)} value={answer} onChange={setAnswer} options={step.def.answers.map(a => ({ value: a.code, label: named(lng, a.name, a.name_en) }))} /></div>
      ) : null}
      {skipping ? <Field label={t('incidents:skip_reason')}>{ids => <TextArea {...ids} required rows={2} maxLength={4000} value={reason} onChange={e => setReason(e.target.value)} />}</Field> : <Field label={t('incidents:step_note')}>{ids => <TextArea {...ids} rows={1} maxLength={4000} value={note} onChange={e => setNote(e.target.value)} />}</Field>}
      <FailedNote error={doing.error} />
      <div className="row wrap-row">
        <Button type="submit" size="small" look={skipping ? 'danger' : 'primary'} busy={doing.isPending}>{t(skipping ? 'incidents:skip_it' : 'incidents:step_done')}</Button>
        <Button look="quiet" size="small" onClick={() => setSkipping(!skipping)}>{t(skipping ? 'ui.cancel' : 'incidents:skip')}</Button>
      </div>
    </form>
  )
}

/** What runs: done above, the active step open, what comes below. */
export function Runs({ view, doing, now }: { view: IncidentView; doing: Doing; now: number }) {
  const t = useT()
  const lng = useLanguage()
  return (
    <>
      {view.runs.map(run => (
        <section key={run.id} className="stack-s" aria-label={named(lng, run.name, run.name_en)}>
          <div className="spread"><h3>{named(lng, run.name, run.name_en)}</h3><span className="small quiet">{t('incidents:version', { n: run.procedure_version })} · {t(run.automatic ? 'incidents:automatic' : 'incidents:by_hand')}</span></div>
          <ol className="run">
            {run.steps.map(step => {
              const Icon = ICON[step.state]
              const open = step.state === 'active' && !run.ended_at && view.may_handle && !view.ended
              return (
                <li key={step.def.code} className={cx(`step-${step.state}`)} aria-current={step.state === 'active' ? 'step' : undefined}>
                  <Icon size={18} aria-label={t(`incidents:step.${step.state}`)} />
                  {open ? <Active key={run.version} run={run} step={step} doing={doing} now={now} /> : (
                    <span>
                      {named(lng, step.def.text, step.def.text_en)}
                      {step.ended_at ? <span className="small quiet tnum"> {format.time(step.ended_at)} {step.by?.name}</span> : null}
                      {step.answer ? <span className="small"> · {(a => (a ? named(lng, a.name, a.name_en) : ''))(step.def.answers.find(a => a.code === step.answer))}</span> : null}
                      {step.reason ? <span className="small"> · {t('incidents:skipped_because', { reason: step.reason })}</span> : null}
                      {step.late ? <> <Badge tone="critical">{t('incidents:was_late')}</Badge></> : null}
                    </span>
                  )}
                </li>
              )
            })}
          </ol>
        </section>
      ))}
    </>
  )
}
