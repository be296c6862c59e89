import { ClipboardCheck } from 'lucide-react'
import { useState } from 'react'
import { useCheckSample, useSamples, type Sample } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Card, Empty, FailedNote, Field, format, Loaded, PageHeader, Segments, TextArea, toast, useTitle } from '@/ui'
import '../cases.css'

function Form({ sample }: { sample: Sample }) {
  const t = useT()
  const lng = useLanguage()
  const check = useCheckSample()
  const [answers, setAnswers] = useState<Record<string, boolean>>({})
  const [note, setNote] = useState('')
  const ready = sample.questions.every(question => answers[question.code] !== undefined)
  return (
    <Card>
      <form className="stack" onSubmit={event => (event.preventDefault(), check.mutate({ id: sample.case, answers, ...(note.trim() ? { note: note.trim() } : {}) }, { onSuccess: () => toast(t('flow:quality.saved')) }))}>
        <div className="spread">
          <h3><a href={`/work/${sample.case}`}>{named(lng, sample.category_name, sample.category_name_en)} · <span className="tnum">{sample.code}</span></a></h3>
          <span className="small quiet">{sample.unit.name} · {format.date(sample.drawn_at)}</span>
        </div>
        {sample.questions.map(question => {
          const label = named(lng, question.text, question.text_en)
          const value = answers[question.code]
          return (
            <div key={question.code} className="stack-s">
              <span className="field-label">{label}</span>
              <Segments label={label} value={value === undefined ? '' : value ? 'yes' : 'no'} onChange={next => setAnswers({ ...answers, [question.code]: next === 'yes' })} options={[{ value: 'yes', label: t('ui.yes') }, { value: 'no', label: t('ui.no') }]} />
            </div>
          )
        })}
        <Field label={t('flow:quality.note')}>{ids => <TextArea {...ids} rows={2} maxLength={2000} value={note} onChange={e => setNote(e.target.value)} />}</Field>
        <FailedNote error={check.error} />
        <div><Button type="submit" busy={check.isPending} disabled={!ready}>{t('flow:quality.save')}</Button></div>
      </form>
    </Card>
  )
}

/** Closed cases drawn at random, for the centre to look at again. */
export default function QualityPage() {
  const t = useT()
  useTitle(t('flow:quality.title'))
  const samples = useSamples()
  return (
    <>
      <PageHeader title={t('flow:quality.title')} lead={t('flow:quality.lead')} />
      <Loaded of={samples}>
        {data => (
          <div className="stack">
            {data.open.length === 0 ? <Empty icon={<ClipboardCheck size={30} aria-hidden />} title={t('flow:quality.none')}>{t('flow:quality.none_body')}</Empty> : data.open.map(sample => <Form key={sample.case} sample={sample} />)}
            {data.units.length > 0 ? (
              <div className="stats-table" tabIndex={0} role="region" aria-label={t('flow:quality.by_unit')}>
                <table>
                  <thead><tr><th scope="col">{t('flow:quality.unit')}</th><th scope="col">{t('flow:quality.drawn')}</th><th scope="col">{t('flow:quality.checked')}</th><th scope="col">{t('flow:quality.passed')}</th></tr></thead>
                  <tbody>{data.units.map(row => <tr key={row.unit.id}><th scope="row">{row.unit.name}</th><td>{format.number(row.drawn)}</td><td>{format.number(row.checked)}</td><td>{row.checked > 0 ? format.percent(row.passed / row.checked) : '–'}</td></tr>)}</tbody>
                </table>
              </div>
            ) : null}
          </div>
        )}
      </Loaded>
    </>
  )
}
