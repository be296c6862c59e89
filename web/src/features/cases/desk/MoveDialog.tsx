import { MessageSquareText } from 'lucide-react'
import { useState } from 'react'
import { ApiError, useCaseTypes, useMove, useUnits, type Case, type CaseMove, type MoveForm } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Dialog, FailedNote, Field, fold, Input, Note, PhotoPicker, Select, TextArea, toast } from '@/ui'
import { Menu } from '@/ui/rich'

function UnitField({ value, onChange }: { value: string; onChange: (unit: string) => void }) {
  const t = useT()
  const [words, setWords] = useState('')
  const units = useUnits({ kind: 'organisation', limit: 200 })
  const wanted = fold(words.trim())
  const shown = (units.data?.items ?? []).filter(unit => !wanted || fold(unit.name).includes(wanted) || unit.id === value)
  return (
    <>
      <Field label={t('work:move.unit')} hint={t('work:move.unit_hint')}>{ids => <Input {...ids} type="search" value={words} maxLength={100} placeholder={t('work:move.unit_search')} onChange={e => setWords(e.target.value)} />}</Field>
      <Select aria-label={t('work:move.unit')} required size={6} value={value} onChange={e => onChange(e.target.value)} style={{ backgroundImage: 'none', height: 'auto' }}>
        {shown.map(unit => <option key={unit.id} value={unit.id}>{unit.name}</option>)}
      </Select>
    </>
  )
}

/** Makes a move: asks for what the flow says it requires, and for a note. */
export function MoveDialog({ item, move, onClose }: { item: Case; move: CaseMove; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const act = useMove(item.id)
  const [form, setForm] = useState<MoveForm>({ photos: [] })
  const set = (part: Partial<MoveForm>) => setForm(before => ({ ...before, ...part }))
  const asks = new Set(move.requires)
  const answers = asks.has('public_answer')
  const missing = (answers && !form.public_answer?.trim()) || (asks.has('reason') && !form.reason?.trim()) || (asks.has('unit') && !form.unit) || (asks.has('category') && !form.category) || (asks.has('urgency') && !form.urgency) || (asks.has('merge_into') && !form.merge_into?.trim()) || (asks.has('planned_for') && !form.planned_for) || (asks.has('note') && !form.note?.trim()) || (asks.has('photo_after') && form.photos.length === 0 && !item.photos.some(photo => photo.stage === 'after'))
  const stale = act.error instanceof ApiError && act.error.code === 'case.version'
  const type = useCaseTypes().data?.find(kind => kind.kind === item.kind)
  const replies = item.replies.filter(reply => reply.moves.length === 0 || reply.moves.includes(move.code)).map(reply => ({ id: reply.code, label: reply.title, hint: `${reply.text.slice(0, 80)}…` }))

  function send(): void {
    act.mutate({ move: move.code, version: item.version, form }, { onSuccess: () => (toast(t('work:move.done', { move: named(lng, move.name, move.name_en) })), onClose()) })
  }
  return (
    <Dialog open onClose={onClose} title={named(lng, move.name, move.name_en)}>
      <form className="stack" onSubmit={event => (event.preventDefault(), send())}>
        {answers ? (
          <>
            <Field label={t('work:move.answer')} hint={t('work:move.answer_hint')}>{ids => <TextArea {...ids} required rows={7} maxLength={4000} value={form.public_answer ?? ''} onChange={e => set({ public_answer: e.target.value })} />}</Field>
            {replies.length > 0 ? <Menu look="quiet" icon={<MessageSquareText size={18} aria-hidden />} label={t('work:move.standard')} choices={replies} onChoose={id => set({ public_answer: item.replies.find(reply => reply.code === id)?.text ?? '' })} /> : null}
          </>
        ) : null}
        {asks.has('photo_after') || (answers && item.phase === 'working') ? (
          <div className="stack-s">
            <span className="field-label">{t('work:move.photo_after')}</span>
            <PhotoPicker photos={form.photos} onChange={photos => set({ photos })} />
            <span className="field-hint">{asks.has('photo_after') ? t('work:move.photo_needed') : t('work:move.photo_hint')}</span>
          </div>
        ) : null}
        {asks.has('unit') ? <UnitField value={form.unit ?? ''} onChange={unit => set({ unit })} /> : null}
        {asks.has('category') && type ? (
          <Field label={t('work:move.category')}>{ids => <Select {...ids} required value={form.category ?? ''} onChange={e => set({ category: e.target.value })}><option value="">{t('work:move.choose')}</option>{type.categories.map(c => <option key={c.code} value={c.code}>{named(lng, c.name, c.name_en)}</option>)}</Select>}</Field>
        ) : null}
        {asks.has('urgency') && type ? (
          <Field label={t('work:move.urgency')}>{ids => <Select {...ids} required value={form.urgency ?? ''} onChange={e => set({ urgency: e.target.value })}><option value="">{t('work:move.choose')}</option>{type.urgencies.map(u => <option key={u.code} value={u.code}>{named(lng, u.name, u.name_en)}</option>)}</Select>}</Field>
        ) : null}
        {asks.has('merge_into') ? <Field label={t('work:move.merge_into')} hint={t('work:move.merge_hint')}>{ids => <Input {...ids} required maxLength={24} value={form.merge_into ?? ''} onChange={e => set({ merge_into: e.target.value.trim().toUpperCase() })} />}</Field> : null}
        {asks.has('planned_for') ? <Field label={t('work:move.planned_for')}>{ids => <Input {...ids} required type="date" value={form.planned_for ?? ''} onChange={e => set({ planned_for: e.target.value })} />}</Field> : null}
        {asks.has('public_text') ? <Field label={t('work:move.public_text')} hint={t('work:move.public_text_hint')}>{ids => <TextArea {...ids} rows={4} maxLength={2000} value={form.public_text ?? item.text} onChange={e => set({ public_text: e.target.value })} />}</Field> : null}
        {asks.has('reason') ? <Field label={t('work:move.reason')} hint={t('work:move.reason_hint')}>{ids => <TextArea {...ids} required rows={3} maxLength={2000} value={form.reason ?? ''} onChange={e => set({ reason: e.target.value })} />}</Field> : null}
        <Field label={t('work:move.note')} hint={t('work:move.note_hint')}>{ids => <TextArea {...ids} rows={2} maxLength={2000} style={{ minHeight: '4rem' }} value={form.note ?? ''} onChange={e => set({ note: e.target.value })} />}</Field>
        {stale ? <Note tone="high">{t('work:move.stale')}</Note> : <FailedNote error={act.error} />}
        <div className="dialog-foot">
          <Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" busy={act.isPending} disabled={missing}>{named(lng, move.name, move.name_en)}</Button>
        </div>
      </form>
    </Dialog>
  )
}
