import { useState, type FormEvent } from 'react'
import { useEnterValue, type IndicatorDetail } from '@/api'
import { useT } from '@/i18n'
import { Button, Dialog, FailedNote, Field, format, Input, Segments, TextArea, toast } from '@/ui'
import { readNumber } from './number'

/** Enters a value; it counts only after a second person has approved it. */
export function EnterValue({ detail, onClose }: { detail: IndicatorDetail; onClose: () => void }) {
  const t = useT()
  const enter = useEnterValue()
  const { indicator } = detail
  const [answer, setAnswer] = useState<'' | 'yes' | 'no'>('')
  const [form, setForm] = useState({ number: '', numerator: '', denominator: '', note: '', evidence: '' })
  const yesNo = indicator.kind === 'boolean'
  const parts = indicator.kind === 'ratio' || indicator.kind === 'density' || indicator.kind === 'survey'
  const [numerator, denominator, number] = [readNumber(form.numerator), readNumber(form.denominator), readNumber(form.number)]
  const counted = parts && numerator !== undefined && denominator !== undefined && denominator !== 0
  const ready = form.note.trim() !== '' && (yesNo ? answer !== '' : counted || number !== undefined)
  const set = (key: keyof typeof form) => (value: string) => setForm(before => ({ ...before, [key]: value }))
  const send = (event: FormEvent) => {
    event.preventDefault()
    enter.mutate(
      {
        set: detail.set.code, indicator: indicator.code, area: detail.area, period: detail.period, note: form.note.trim(),
        ...(yesNo ? { yes_no: answer === 'yes' } : counted ? { numerator, denominator } : {}),
        ...(!yesNo && number !== undefined ? { number } : {}),
        ...(form.evidence.trim() ? { evidence_url: form.evidence.trim() } : {}),
      },
      { onSuccess: () => { toast(t('lead:enter.done')); onClose() } },
    )
  }
  return (
    <Dialog open onClose={onClose} title={t('lead:enter.title')}>
      <form className="stack" onSubmit={send}>
        <p className="quiet">{indicator.name} · {detail.area_name} · {detail.period}</p>
        {yesNo ? (
          <Segments label={t('lead:col.value')} value={answer} onChange={setAnswer} options={[{ value: 'yes', label: t('lead:yes') }, { value: 'no', label: t('lead:no') }]} />
        ) : (
          <>
            {parts ? (
              <div className="enter-parts">
                <Field label={detail.formula.numerator || t('lead:enter.numerator')}>{ids => <Input {...ids} inputMode="decimal" value={form.numerator} maxLength={30} onChange={e => set('numerator')(e.target.value)} />}</Field>
                <Field label={detail.formula.denominator || t('lead:enter.denominator')}>{ids => <Input {...ids} inputMode="decimal" value={form.denominator} maxLength={30} onChange={e => set('denominator')(e.target.value)} />}</Field>
              </div>
            ) : null}
            {counted ? (
              <p className="strong tnum" aria-live="polite">= {format.number(indicator.unit === '%' ? ((numerator ?? 0) / (denominator ?? 1)) * 100 : (numerator ?? 0) / (denominator ?? 1), 2)} {indicator.unit}</p>
            ) : (
              <Field label={t('lead:enter.number', { unit: indicator.unit })} hint={parts ? t('lead:enter.number_hint') : undefined}>{ids => <Input {...ids} inputMode="decimal" value={form.number} maxLength={30} onChange={e => set('number')(e.target.value)} />}</Field>
            )}
          </>
        )}
        <Field label={t('lead:enter.note')} hint={t('lead:enter.note_hint')}>{ids => <TextArea {...ids} required rows={3} maxLength={2000} value={form.note} onChange={e => set('note')(e.target.value)} />}</Field>
        <Field label={t('lead:enter.evidence')} hint={t('lead:enter.evidence_hint')}>{ids => <Input {...ids} type="url" maxLength={1000} value={form.evidence} onChange={e => set('evidence')(e.target.value)} />}</Field>
        <FailedNote error={enter.error} />
        <div className="dialog-foot">
          <Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button>
          <Button type="submit" disabled={!ready} busy={enter.isPending}>{t('lead:enter.send')}</Button>
        </div>
      </form>
    </Dialog>
  )
}
