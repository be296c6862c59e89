import type { Category, Question } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Check as CheckBox, Field, Input, Note, Select, TextArea } from '@/ui'

type Answers = Record<string, string>

/** What a chosen answer tells instead of taking the report (call 114), if any. */
export function stopOf(category: Category | undefined, answers: Answers): { stop: string; stop_en: string } | undefined {
  for (const question of category?.questions ?? []) {
    const chosen = new Set((answers[question.code] ?? '').split(','))
    const option = question.options?.find(one => one.stop && chosen.has(one.code))
    if (option?.stop) return { stop: option.stop, stop_en: option.stop_en ?? '' }
  }
  return undefined
}

/** The form's field for one question. */
function One({ question, value, onChange }: { question: Question; value: string; onChange: (value: string) => void }) {
  const t = useT()
  const lng = useLanguage()
  const label = named(lng, question.text, question.text_en)
  const hint = named(lng, question.hint ?? undefined, question.hint_en ?? undefined) || undefined
  if (question.datatype === 'notice') return <Note>{label}</Note>
  if (question.datatype === 'multivaluelist') {
    const chosen = value.split(',').filter(Boolean)
    return (
      <fieldset className="stack-s">
        <legend className="field-label">{label}</legend>
        {hint ? <span className="field-hint">{hint}</span> : null}
        {question.options?.map(option => <CheckBox key={option.code} checked={chosen.includes(option.code)} onChange={e => onChange((e.target.checked ? [...chosen, option.code] : chosen.filter(one => one !== option.code)).join(','))}>{named(lng, option.text, option.text_en)}</CheckBox>)}
      </fieldset>
    )
  }
  return (
    <Field label={label} hint={hint}>
      {ids =>
        question.options?.length ? (
          <Select {...ids} required={question.required} value={value} onChange={e => onChange(e.target.value)}>
            <option value="">{t('citizen:report.choose')}</option>
            {question.options.map(option => <option key={option.code} value={option.code}>{named(lng, option.text, option.text_en)}</option>)}
          </Select>
        ) : question.datatype === 'text' ? (
          <TextArea {...ids} required={question.required} rows={3} maxLength={500} value={value} onChange={e => onChange(e.target.value)} />
        ) : question.datatype === 'number' ? (
          <Input {...ids} required={question.required} type="number" step="any" inputMode="decimal" value={value} onChange={e => onChange(e.target.value)} />
        ) : question.datatype === 'datetime' ? (
          <Input {...ids} required={question.required} type="datetime-local" value={local(value)} onChange={e => onChange(e.target.value ? new Date(e.target.value).toISOString() : '')} />
        ) : (
          <Input {...ids} required={question.required} maxLength={500} value={value} onChange={e => onChange(e.target.value)} />
        )
      }
    </Field>
  )
}

/** An instant as `datetime-local` wants it: the wall clock here. */
function local(instant: string): string {
  if (!instant) return ''
  const at = new Date(instant)
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

/** What a category asks besides place and words; an answer may say that this is not the form for it. */
export function Questions({ category, answers, onChange }: { category: Category; answers: Answers; onChange: (answers: Answers) => void }) {
  const lng = useLanguage()
  const stop = stopOf(category, answers)
  return (
    <>
      {category.questions.map(question => <One key={question.code} question={question} value={answers[question.code] ?? ''} onChange={value => onChange({ ...answers, [question.code]: value })} />)}
      {stop ? <div role="alert"><Note tone="critical">{named(lng, stop.stop, stop.stop_en)}</Note></div> : null}
    </>
  )
}
