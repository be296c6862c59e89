import { MessageSquareText } from 'lucide-react'
import { useState } from 'react'
import { ApiError, useCaseTypes, useMove, useUnits, type Case, type CaseMove, type MoveForm, type Reply } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Dialog, FailedNote, Field, fold, format, Input, Note, PhotoPicker, Select, TextArea, toast } from '@/ui'
import { Menu } from '@/ui/rich'

export function UnitField({ value, optional, onChange }: { value: string; optional?: boolean; onChange: (unit: string) => void }) {
  const t = useT()
  const [words, setWords] = useState('')
  const units = useUnits({ kind: 'organisation', limit: 200 })
  const wanted = fold(words.trim())
  const shown = (units.data?.items ?? []).filter(unit => !wanted || fold(unit.name).includes(wanted) || unit.id === value)
  return (
    <>
      <Field label={t('work:move.unit')} hint={t('work:move.unit_hint')}>{ids => <Input {...ids} type="search" value={words} maxLength={100} placeholder={t('work:move.unit_search')} onChange={e => setWords(e.target.value)} />}</Field>
      <Select aria-label={t('work:move.unit')} required={!optional} size={6} value={value} onChange={e => onChange(e.target.value)} style={{ backgroundImage: 'none', height: 'auto' }}>
        {shown.map(unit => <option key={unit.id} value={unit.id}>{unit.name}</option>)}
      </Select>
    </>
  )
}

/** What a move asks for, as far as it is missing. */
export function missing(move: CaseMove, form: MoveForm, hasPhoto: boolean): boolean {
  return move.requires.some(field => (field === 'photo_after' ? form.photos.length === 0 && !hasPhoto : !form[field as Exclude<keyof MoveForm, 'photos'>]?.trim()))
}

interface FieldsProps {
  move: CaseMove
  form: MoveForm
  set: (part: Partial<MoveForm>) => void
  kind: string
  replies: readonly Reply[]
  /** Whether a photo can be added. */
  photos: boolean
  text?: string
}

/** The fields that a move requires, and the note that every move may carry. */
export function MoveFields({ move, form, set, kind, replies, photos, text }: FieldsProps) {
  const t = useT()
  const lng = useLanguage()
  const asks = new Set(move.requires)
  const offers = new Set(move.optional ?? [])
  const type = useCaseTypes().data?.find(one => one.kind === kind)
  const fitting = replies.filter(reply => reply.moves.length === 0 || reply.moves.includes(move.code)).map(reply => ({ id: reply.code, label: reply.title, hint: `${reply.text.slice(0, 80)}…` }))
  const fields = {
    category: type ? (
      <Field label={t('work:move.category')}>{ids => <Select {...ids} required={asks.has('category')} value={form.category ?? ''} onChange={e => set({ category: e.target.value })}><option value="">{t('work:move.choose')}</option>{type.categories.map(c => <option key={c.code} value={c.code}>{named(lng, c.name, c.name_en)}</option>)}</Select>}</Field>
    ) : null,
    urgency: type ? (
      <Field label={t('work:move.urgency')}>{ids => <Select {...ids} required={asks.has('urgency')} value={form.urgency ?? ''} onChange={e => set({ urgency: e.target.value })}><option value="">{t('work:move.choose')}</option>{type.urgencies.map(u => <option key={u.code} value={u.code}>{named(lng, u.name, u.name_en)}</option>)}</Select>}</Field>
    ) : null,
    public_text: <Field label={t('work:move.public_text')} hint={t('work:move.public_text_hint')}>{ids => <TextArea {...ids} rows={4} maxLength={2000} value={form.public_text ?? text ?? ''} onChange={e => set({ public_text: e.target.value })} />}</Field>,
  }
  return (
    <>
      {asks.has('public_answer') ? (
        <>
          <Field label={t('work:move.answer')} hint={t('work:move.answer_hint')}>{ids => <TextArea {...ids} required rows={7} maxLength={4000} value={form.public_answer ?? ''} onChange={e => set({ public_answer: e.target.value })} />}</Field>
          {fitting.length > 0 ? <Menu look="quiet" icon={<MessageSquareText size={18} aria-hidden />} label={t('work:move.standard')} choices={fitting} onChoose={id => set({ public_answer: replies.find(reply => reply.code === id)?.text ?? '' })} /> : null}
        </>
      ) : null}
      {photos ? (
        <div className="stack-s">
          <span className="field-label">{t('work:move.photo_after')}</span>
          <PhotoPicker photos={form.photos} onChange={list => set({ photos: list })} />
          <span className="field-hint">{asks.has('photo_after') ? t('work:move.photo_needed') : t('work:move.photo_hint')}</span>
        </div>
      ) : null}
      {asks.has('unit') ? <UnitField value={form.unit ?? ''} onChange={unit => set({ unit })} /> : null}
      {asks.has('category') ? fields.category : null}
      {asks.has('urgency') ? fields.urgency : null}
      {asks.has('merge_into') ? <Field label={t('work:move.merge_into')} hint={t('work:move.merge_hint')}>{ids => <Input {...ids} required maxLength={24} value={form.merge_into ?? ''} onChange={e => set({ merge_into: e.target.value.trim().toUpperCase() })} />}</Field> : null}
      {asks.has('planned_for') ? <Field label={t('work:move.planned_for')}>{ids => <Input {...ids} required type="date" value={form.planned_for ?? ''} onChange={e => set({ planned_for: e.target.value })} />}</Field> : null}
      {asks.has('public_text') || offers.has('public_text') ? fields.public_text : null}
      {asks.has('reason') ? <Field label={t('work:move.reason')} hint={t('work:move.reason_hint')}>{ids => <TextArea {...ids} required rows={3} maxLength={2000} value={form.reason ?? ''} onChange={e => set({ reason: e.target.value })} />}</Field> : null}
      {offers.has('category') ? (
        <details className="more">
          <summary>{t('work:move.correct')}</summary>
          <div className="stack">
            {fields.category}
            {fields.urgency}
            {offers.has('unit') ? <UnitField optional value={form.unit ?? ''} onChange={unit => set({ unit })} /> : null}
          </div>
        </details>
      ) : null}
      <Field label={t('work:move.note')} hint={t('work:move.note_hint')}>{ids => <TextArea {...ids} rows={2} maxLength={2000} style={{ minHeight: '4rem' }} value={form.note ?? ''} onChange={e => set({ note: e.target.value })} />}</Field>
    </>
  )
}

/** Makes a move: asks for what the flow says it requires, and for a note. */
export function MoveDialog({ item, move, onClose }: { item: Case; move: CaseMove; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const act = useMove(item.id)
  const [form, setForm] = useState<MoveForm>({ photos: [] })
  const stale = act.error instanceof ApiError && act.error.code === 'case.version'
  const photos = move.requires.includes('photo_after') || (move.requires.includes('public_answer') && item.phase === 'working')

  function send(): void {
    act.mutate({ move: move.code, version: item.version, form }, { onSuccess: () => (toast(t('work:move.done', { move: named(lng, move.name, move.name_en) })), onClose()) })
  }
  return (
    <Dialog open onClose={onClose} title={named(lng, move.name, move.name_en)}>
      <form className="stack" onSubmit={event => (event.preventDefault(), send())}>
        {move.until ? <Note>{t('work:move.until', { at: format.dateTime(move.until) })}</Note> : null}
        <MoveFields move={move} form={form} set={part => setForm(before => ({ ...before, ...part }))} kind={item.kind} replies={item.replies} photos={photos} text={item.screening.proposal} />
        {stale ? <Note tone="high">{t('work:move.stale')}</Note> : <FailedNote error={act.error} />}
        <div className="dialog-foot">
          <Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" busy={act.isPending} disabled={missing(move, form, item.photos.some(photo => photo.stage === 'after'))}>{named(lng, move.name, move.name_en)}</Button>
        </div>
      </form>
    </Dialog>
  )
}
