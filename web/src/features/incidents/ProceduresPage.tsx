import { BadgeCheck, Pencil, Plus, Trash2 } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { can, useApproveProcedure, useDraftProcedure, useMe, useOpsCatalogue, useProcedures, type ProcedureDef, type ProcedureVersion, type StepDef } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Check, Dialog, Empty, FailedNote, Field, format, Input, Loaded, PageHeader, Select, TextArea, toastError, useTitle } from '@/ui'
import './incidents.css'

const BLANK: StepDef = { code: '', text: '', text_en: '', checklist: [], links: [], answers: [] }
const FRESH: ProcedureDef = { code: '', name: '', name_en: '', start: { kinds: [] }, source_act: '', status: 'proposed', steps: [{ ...BLANK, code: 'step-1' }] }

/** `code | label | label in English | step` per line. */
function answersText(step: StepDef): string {
  return step.answers.map(a => [a.code, a.name, a.name_en, a.goto ?? ''].join(' | ')).join('\n')
}
function answersOf(text: string): StepDef['answers'] {
  return text.split('\n').map(line => line.split('|').map(part => part.trim())).filter(parts => parts[0]).map(([code = '', name = '', name_en = '', goto = '']) => ({ code, name, name_en: name_en || name, ...(goto ? { goto } : {}) }))
}

function StepFields({ step, onChange, onRemove }: { step: StepDef; onChange: (step: StepDef) => void; onRemove: () => void }) {
  const t = useT()
  const [answers, setAnswers] = useState(answersText(step))
  const set = (part: Partial<StepDef>) => onChange({ ...step, ...part })
  return (
    <fieldset className="step-fields stack-s">
      <legend className="visually-hidden">{step.code}</legend>
      <div className="two">
        <Field label={t('incidents:sop.step_code')}>{ids => <Input {...ids} required pattern="[a-z0-9\-]+" value={step.code} onChange={e => set({ code: e.target.value })} />}</Field>
        <Field label={t('incidents:minutes')}>{ids => <Input {...ids} type="number" min={1} max={10080} value={step.minutes ?? ''} onChange={e => set({ minutes: e.target.value ? Number(e.target.value) : null })} />}</Field>
        <Field label={t('incidents:sop.role')}>{ids => <Input {...ids} value={step.role ?? ''} onChange={e => set({ role: e.target.value || null })} />}</Field>
        <Field label={t('incidents:sop.task_for')}>{ids => <Input {...ids} value={step.task_for ?? ''} onChange={e => set({ task_for: e.target.value || null })} />}</Field>
      </div>
      <Field label={t('incidents:sop.text')}>{ids => <TextArea {...ids} required rows={2} value={step.text} onChange={e => set({ text: e.target.value, text_en: step.text_en === step.text ? e.target.value : step.text_en })} />}</Field>
      <Field label={t('incidents:sop.text_en')}>{ids => <TextArea {...ids} required rows={2} value={step.text_en} onChange={e => set({ text_en: e.target.value })} />}</Field>
      <Field label={t('incidents:sop.checklist')}>{ids => <TextArea {...ids} rows={2} value={step.checklist.join('\n')} onChange={e => set({ checklist: e.target.value.split('\n').filter(Boolean) })} />}</Field>
      <div className="two">
        <Field label={t('incidents:sop.question')}>{ids => <Input {...ids} value={step.question ?? ''} onChange={e => set({ question: e.target.value || null, question_en: e.target.value || null })} />}</Field>
        <Field label={t('incidents:sop.answers')} hint={t('incidents:sop.answers_hint')}>{ids => <TextArea {...ids} rows={3} value={answers} onChange={e => (setAnswers(e.target.value), set({ answers: answersOf(e.target.value) }))} />}</Field>
      </div>
      <Button look="quiet" size="small" icon={<Trash2 size={16} aria-hidden />} onClick={onRemove}>{t('incidents:sop.remove')}</Button>
    </fieldset>
  )
}

function Editor({ from, onClose }: { from: ProcedureDef; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const catalogue = useOpsCatalogue()
  const draft = useDraftProcedure()
  const [def, setDef] = useState<ProcedureDef>(from)
  const [reason, setReason] = useState('')
  const save = (event: FormEvent) => {
    event.preventDefault()
    draft.mutate({ def, reason }, { onSuccess: onClose })
  }
  return (
    <Dialog open onClose={onClose} wide title={def.name || t('incidents:sop.new')}>
      <form className="stack" onSubmit={save}>
        <div className="two">
          <Field label={t('incidents:sop.code')}>{ids => <Input {...ids} required pattern="[a-z0-9\-]+" readOnly={Boolean(from.code)} value={def.code} onChange={e => setDef({ ...def, code: e.target.value })} />}</Field>
          <Field label={t('incidents:sop.from')}>{ids => <Select {...ids} value={def.start.from ?? ''} onChange={e => setDef({ ...def, start: { ...def.start, from: (e.target.value || null) as ProcedureDef['start']['from'] ?? null } })}><option value="">–</option>{(['low', 'medium', 'high', 'critical'] as const).map(s => <option key={s} value={s}>{t(`severity.${s}`)}</option>)}</Select>}</Field>
          <Field label={t('incidents:sop.name')}>{ids => <Input {...ids} required maxLength={200} value={def.name} onChange={e => setDef({ ...def, name: e.target.value })} />}</Field>
          <Field label={t('incidents:sop.name_en')}>{ids => <Input {...ids} required maxLength={200} value={def.name_en} onChange={e => setDef({ ...def, name_en: e.target.value })} />}</Field>
        </div>
        <fieldset className="stack-s"><legend className="field-label">{t('incidents:sop.kinds')}</legend><div className="row wrap-row">{(catalogue.data?.kinds ?? []).map(k => <Check key={k.code} checked={def.start.kinds.includes(k.code)} onChange={e => setDef({ ...def, start: { ...def.start, kinds: e.target.checked ? [...def.start.kinds, k.code] : def.start.kinds.filter(x => x !== k.code) } })}>{named(lng, k.name, k.name_en)}</Check>)}</div></fieldset>
        {def.steps.map((step, i) => <StepFields key={i} step={step} onChange={next => setDef({ ...def, steps: def.steps.map((s, j) => (j === i ? next : s)) })} onRemove={() => setDef({ ...def, steps: def.steps.filter((_, j) => j !== i) })} />)}
        <Button look="secondary" icon={<Plus size={18} aria-hidden />} onClick={() => setDef({ ...def, steps: [...def.steps, { ...BLANK, code: `step-${def.steps.length + 1}` }] })}>{t('incidents:sop.add_step')}</Button>
        <Field label={t('incidents:sop.reason')}>{ids => <Input {...ids} required maxLength={2000} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <FailedNote error={draft.error} />
        <div className="dialog-foot"><Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={draft.isPending}>{t('incidents:sop.save_draft')}</Button></div>
      </form>
    </Dialog>
  )
}

function Version({ version, onEdit }: { version: ProcedureVersion; onEdit: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const approve = useApproveProcedure()
  const own = version.made_by.id === me.data?.id
  return (
    <Card>
      <div className="spread wrap-row">
        <div className="stack-s">
          <h2>{named(lng, version.def.name, version.def.name_en)}</h2>
          <span className="row wrap-row"><Badge tone={version.state === 'approved' ? 'good' : 'waiting'}>{t(`incidents:sop.state.${version.state}`)}</Badge><span className="small quiet">{t('incidents:version', { n: version.version })} · {version.made_by.name} · {format.dateTime(version.made_at)}{version.approved_by ? ` · ${t('incidents:sop.approved_by', { name: version.approved_by.name })}` : ''}</span><Badge tone={version.def.status === 'confirmed' ? 'good' : 'high'}>{t(`incidents:status.${version.def.status}`)}</Badge></span>
          <p className="small">{version.reason}{version.from_incident ? ` (${version.from_incident})` : ''}</p>
        </div>
        <span className="row">
          {can(me.data, 'incident-handle') ? <Button look="secondary" size="small" icon={<Pencil size={16} aria-hidden />} onClick={onEdit}>{t('incidents:sop.revise')}</Button> : null}
          {version.state === 'draft' && can(me.data, 'incident-approve') ? own ? <span className="small quiet">{t('incidents:sop.second')}</span> : <Button size="small" icon={<BadgeCheck size={16} aria-hidden />} busy={approve.isPending} onClick={() => approve.mutate({ code: version.code, version: version.version }, { onError: toastError })}>{t('incidents:sop.approve')}</Button> : null}
        </span>
      </div>
      <details className="more"><summary>{t('incidents:sop.steps', { n: version.def.steps.length })}</summary>
        <ol className="sop-steps">{version.def.steps.map(step => <li key={step.code}>{named(lng, step.text, step.text_en)}{step.minutes ? <span className="small quiet"> · {t('incidents:sop.within', { n: step.minutes })}</span> : null}{step.question ? <span className="small quiet"> · {named(lng, step.question, step.question_en ?? undefined)}</span> : null}</li>)}</ol>
      </details>
    </Card>
  )
}

/** Standard procedures: versions, drafts, and the second person's approval. */
export default function ProceduresPage() {
  const t = useT()
  useTitle(t('incidents:sop.title'))
  const me = useMe()
  const procedures = useProcedures()
  const [edit, setEdit] = useState<ProcedureDef>()
  return (
    <>
      <PageHeader title={t('incidents:sop.title')} lead={t('incidents:sop.lead')} actions={can(me.data, 'incident-handle') ? <Button icon={<Plus size={18} aria-hidden />} onClick={() => setEdit(FRESH)}>{t('incidents:sop.new')}</Button> : null} />
      <Loaded of={procedures}>{list => (list.length === 0 ? <Empty title={t('incidents:sop.none')} /> : <div className="stack">{list.map(v => <Version key={`${v.code} ${v.version}`} version={v} onEdit={() => setEdit(v.def)} />)}</div>)}</Loaded>
      {edit ? <Editor from={edit} onClose={() => setEdit(undefined)} /> : null}
    </>
  )
}
