import { FileArchive, FileText, Printer } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { evidenceAddress, reportAddress, useAfterAction, useProcedures, usePutReview, type AfterAction, type IncidentReview } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Button, Card, FailedNote, Field, format, LinkButton, Loaded, Note, PageHeader, Select, TextArea, toast, useTitle } from '@/ui'
import './incidents.css'
import { clock, DrillBadge, Stamps, TargetNote } from './parts'

const PARTS = ['summary', 'good', 'bad', 'lessons'] as const

function ReviewForm({ report, id }: { report: AfterAction; id: string }) {
  const t = useT()
  const lng = useLanguage()
  const put = usePutReview(id)
  const procedures = useProcedures()
  const [review, setReview] = useState<IncidentReview>(report.review)
  const save = (event: FormEvent) => {
    event.preventDefault()
    put.mutate({ ...review, version: report.review.version, procedure: review.procedure || null }, { onSuccess: next => (setReview(next.review), toast(t('incidents:aar.saved'))) })
  }
  return (
    <form className="stack no-print" onSubmit={save}>
      {PARTS.map(part => <Field key={part} label={t(`incidents:aar.${part}`)}>{ids => <TextArea {...ids} rows={3} maxLength={10000} value={review[part]} onChange={e => setReview({ ...review, [part]: e.target.value })} />}</Field>)}
      <Field label={t('incidents:aar.procedure')}>{ids => <Select {...ids} value={review.procedure ?? ''} onChange={e => setReview({ ...review, procedure: e.target.value || null })}><option value="">–</option>{(procedures.data ?? []).filter(p => p.state === 'approved').map(p => <option key={p.code} value={p.code}>{named(lng, p.def.name, p.def.name_en)}</option>)}</Select>}</Field>
      <Field label={t('incidents:aar.proposal')} hint={t('incidents:aar.proposal_hint')}>{ids => <TextArea {...ids} rows={2} maxLength={2000} value={review.proposal} onChange={e => setReview({ ...review, proposal: e.target.value })} />}</Field>
      <FailedNote error={put.error} />
      <Button type="submit" busy={put.isPending}>{t('ui.save')}</Button>
    </form>
  )
}

/** The after-action report: what, when, how long, what was skipped and why, what was learned. Made for print. */
export default function ReportPage({ params }: { params: Record<string, string> }) {
  const t = useT()
  const lng = useLanguage()
  const id = params['id'] ?? ''
  const report = useAfterAction(id)
  useTitle(report.data ? `${t('incidents:aar.title')} ${report.data.incident.code}` : t('incidents:aar.title'))
  return (
    <Loaded of={report}>
      {data => {
        const i = data.incident
        const off = i.runs.flatMap(run => run.steps.filter(s => s.state === 'skipped' || s.late).map(step => ({ run, step })))
        return (
          <div className="aar stack">
            <PageHeader title={`${t('incidents:aar.title')} ${i.code}`} lead={i.title} actions={<span className="row no-print"><LinkButton look="secondary" href={reportAddress(id, lng)} download icon={<FileText size={18} aria-hidden />}>{t('incidents:aar.pdf')}</LinkButton><Button look="secondary" icon={<Printer size={18} aria-hidden />} onClick={() => window.print()}>{t('incidents:aar.print')}</Button>{i.may_handle ? <a className="btn btn-secondary" href={evidenceAddress(id)} download><FileArchive size={18} aria-hidden />{t('incidents:evidence')}</a> : null}</span>} />
            {i.drill ? <Note tone="drill"><DrillBadge drill /> {t('incidents:drill_note')}</Note> : null}
            <Card>
              <h2>{t('incidents:aar.what')}</h2>
              <dl className="facts">
                <div><dt>{t('incidents:kind')}</dt><dd>{named(lng, i.kind_name, i.kind_name_en)} · {t(`severity.${i.severity}`)}</dd></div>
                <div><dt>{t('incidents:area')}</dt><dd>{[i.place.address, i.place.area_name].filter(Boolean).join(', ') || '–'}</dd></div>
                <div><dt>{t('incidents:unit')}</dt><dd>{i.unit.name}</dd></div>
                <div><dt>{t('incidents:commander')}</dt><dd>{i.commander?.name ?? '–'}</dd></div>
                <div><dt>{t('incidents:aar.opened')}</dt><dd>{format.dateTime(i.opened_at)}</dd></div>
                <div><dt>{t('incidents:aar.ended')}</dt><dd>{i.ended_at ? format.dateTime(i.ended_at) : '–'} · {named(lng, i.state_name, i.state_name_en)}</dd></div>
              </dl>
              {i.text ? <p>{i.text}</p> : null}
            </Card>
            <Card>
              <h2>{t('incidents:chain.title')}</h2>
              <dl className="facts">{data.chain.map(part => <div key={part.interval}><dt>{t(`incidents:interval.${part.interval}`)}</dt><dd><b className="tnum">{part.seconds == null ? '–' : clock(part.seconds)}</b> <TargetNote target={part.target} /></dd></div>)}</dl>
              {i.dispatches.map(sent => <div key={sent.id}><b>{sent.resource_code} {sent.resource_name}</b><Stamps stamps={sent.stamps} sent={sent.sent_at} /></div>)}
            </Card>
            <Card>
              <h2>{t('incidents:aar.off')}</h2>
              {off.length === 0 ? <p className="quiet">{t('incidents:aar.none_off')}</p> : <ul>{off.map(({ run, step }) => <li key={`${run.id}${step.def.code}`}>{named(lng, run.name, run.name_en)}: {named(lng, step.def.text, step.def.text_en)} – {step.reason ? t('incidents:skipped_because', { reason: step.reason }) : t('incidents:was_late')}{step.by ? ` (${step.by.name})` : ''}</li>)}</ul>}
            </Card>
            <Card>
              <h2>{t('incidents:aar.learned')}</h2>
              {PARTS.filter(part => data.review[part]).map(part => <div key={part}><h3>{t(`incidents:aar.${part}`)}</h3><p className="past-note">{data.review[part]}</p></div>)}
              {data.review.draft ? <Note tone="good">{t('incidents:aar.draft', { n: data.review.draft })} <a href="/admin/procedures">{data.review.procedure}</a>: {data.review.proposal}</Note> : null}
              {i.may_handle ? <ReviewForm key={data.review.version} report={data} id={id} /> : null}
            </Card>
            <Card>
              <h2>{t('incidents:log')}</h2>
              <ol className="op-log op-log-all">{data.log.map(line => <li key={line.n}><time className="tnum">{format.time(line.at)}</time><span><b>{t(`incidents:line.${line.kind}`)}</b> {line.text}{typeof line.data['reason'] === 'string' ? ` · ${line.data['reason']}` : ''} <span className="small quiet">{line.by.name}</span></span></li>)}</ol>
            </Card>
          </div>
        )
      }}
    </Loaded>
  )
}
