import { CircleCheck, FilePlus2 } from 'lucide-react'
import { Fragment, useMemo, useState, type FormEvent } from 'react'
import { can, useFigures, useMe, useReportFigure, useScore, useScores, useSettleFigure, type DossierScore, type ScoreFigure } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Dialog, Empty, FailedNote, Field, format, Input, Loaded, Meter, Note, PageHeader, Select, TextArea, toast, toastError, useTitle } from '@/ui'
import { useSearch } from '@/ui/rich'
import { Marks } from './parts'
import './dossiers.css'

/** The year, its quarters and its last months. */
function periods(now: Date): string[] {
  const months = Array.from({ length: 6 }, (_, i) => {
    const at = new Date(now.getFullYear(), now.getMonth() - i, 1)
    return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, '0')}`
  })
  const year = String(now.getFullYear())
  return [...months, `${year}-Q${Math.floor(now.getMonth() / 3) + 1}`, year]
}

function FigureText({ figure, reported }: { figure: ScoreFigure; reported: DossierScore['reported'] }) {
  const t = useT()
  const lng = useLanguage()
  const name = figure.source === 'counted' ? t(`dossiers:figure.${figure.code}`) : named(lng, reported.find(r => r.code === figure.code)?.name, reported.find(r => r.code === figure.code)?.name_en)
  return (
    <span title={figure.note ?? undefined}>
      {name} = <b className="tnum">{figure.value == null ? t('dossiers:score.unknown') : format.number(figure.value)}</b>
      {figure.source === 'reported' ? <span className="quiet"> ({figure.by ?? t(figure.waiting ? 'dossiers:score.waiting' : 'dossiers:score.to_report')})</span> : null}
    </span>
  )
}

function ReportDialog({ score, onClose }: { score: DossierScore; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const report = useReportFigure()
  const [figure, setFigure] = useState(score.reported[0]?.code ?? '')
  const [value, setValue] = useState('')
  const [note, setNote] = useState('')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    report.mutate({ set: score.set, unit: score.unit.id, period: score.period, figure, value: Number(value), note: note.trim() }, { onSuccess: () => (toast(t('dossiers:score.reported')), onClose()) })
  }
  return (
    <Dialog open onClose={onClose} title={t('dossiers:score.report')}>
      <form className="stack" onSubmit={submit}>
        <p className="quiet">{score.unit.name} · {score.period}</p>
        <Field label={t('dossiers:score.figure')}>{ids => <Select {...ids} value={figure} onChange={e => setFigure(e.target.value)}>{score.reported.map(r => <option key={r.code} value={r.code}>{named(lng, r.name, r.name_en)}</option>)}</Select>}</Field>
        <Field label={t('dossiers:score.value')}>{ids => <Input {...ids} type="number" min={0} step="any" required value={value} onChange={e => setValue(e.target.value)} />}</Field>
        <Field label={t('dossiers:score.note')}>{ids => <TextArea {...ids} required minLength={5} maxLength={1000} rows={2} value={note} onChange={e => setNote(e.target.value)} />}</Field>
        <FailedNote error={report.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={report.isPending}>{t('dossiers:score.send')}</Button></div>
      </form>
    </Dialog>
  )
}

function Waiting() {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const figures = useFigures(can(me.data, 'indicator-approve') || can(me.data, 'indicator-report'))
  const settle = useSettleFigure()
  if (!figures.data?.items.length) return null
  return (
    <Card>
      <h2>{t('dossiers:score.to_approve')}</h2>
      <ul className="figure-list">
        {figures.data.items.map(f => (
          <li key={f.id}>
            <span className="grow">{f.unit.name} · {f.period} · {named(lng, f.name, f.name_en)}: <b className="tnum">{format.number(f.value)}</b> <span className="quiet">({f.entered_by}: {f.note})</span></span>
            {f.may_settle ? (
              <>
                <Button size="small" icon={<CircleCheck size={16} aria-hidden />} onClick={() => settle.mutate({ id: f.id, approve: true }, { onError: toastError })}>{t('dossiers:score.approve')}</Button>
                <Button size="small" look="quiet" onClick={() => settle.mutate({ id: f.id, approve: false, reason: t('dossiers:score.rejected') }, { onError: toastError })}>{t('dossiers:score.reject')}</Button>
              </>
            ) : null}
          </li>
        ))}
      </ul>
    </Card>
  )
}

function Opened({ score }: { score: DossierScore }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const [reporting, setReporting] = useState(false)
  return (
    <div className="stack">
      <Note tone="high">{t('dossiers:score.unofficial')}</Note>
      <div className="spread">
        <p className="score-total"><b className="tnum">{format.number(score.total, 2)}</b> / {format.number(score.known, 2)} <span className="quiet">{t('dossiers:score.known', { most: format.number(score.most) })}</span> {score.class ? <Badge tone="good">{named(lng, score.class.name, score.class.name_en)}</Badge> : null}</p>
        {can(me.data, 'indicator-report') ? <Button look="secondary" icon={<FilePlus2 size={18} aria-hidden />} onClick={() => setReporting(true)}>{t('dossiers:score.report')}</Button> : null}
      </div>
      {score.class ? null : <p className="small quiet">{t('dossiers:score.no_class')}</p>}
      {score.groups.map(group => (
        <Card key={group.code}>
          <div className="spread"><h2>{named(lng, group.name, group.name_en)}</h2><b className="tnum nowrap">{format.number(group.points, 2)} / {format.number(group.most)}</b></div>
          <Meter share={group.points / group.most} label={named(lng, group.name, group.name_en)} />
          <dl className="score-parts">
            {group.parts.map(({ part, numerator, denominator, points }) => (
              <Fragment key={part.code}>
                <dt>{part.code} {named(lng, part.name, part.name_en)}</dt>
                <dd>
                  <b className="tnum">{points == null ? t('dossiers:score.unknown') : format.number(points, 2)} / {format.number(part.points)}</b>
                  <span className="small">{t('dossiers:score.formula', { points: format.number(part.points), full: part.full_at === 1 ? '' : ` ÷ ${format.percent(part.full_at)}` })}</span>
                  <span className="small"><FigureText figure={numerator} reported={score.reported} />; <FigureText figure={denominator} reported={score.reported} /></span>
                </dd>
              </Fragment>
            ))}
          </dl>
        </Card>
      ))}
      <Marks marks={score.marks} title={t('dossiers:score.marks')} />
      <p><a href={`/lead/dossiers?unit=${encodeURIComponent(score.unit.id)}&by=procedure`}>{t('dossiers:score.rows')}</a></p>
      {reporting ? <ReportDialog score={score} onClose={() => setReporting(false)} /> : null}
    </div>
  )
}

export default function ScorePage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('dossiers:score.title'))
  const [search, setSearch] = useSearch()
  const choices = useMemo(() => periods(new Date()), [])
  const period = search['period'] ?? choices[0] ?? ''
  const unit = search['unit']
  const scores = useScores(period)
  const score = useScore(unit, period)
  return (
    <div className="stack">
      <PageHeader title={t('dossiers:score.title')} lead={t('dossiers:score.lead')} />
      <div className="dossier-tools">
        <Select aria-label={t('dossiers:score.period')} value={period} onChange={e => setSearch({ period: e.target.value })}>{choices.map(p => <option key={p} value={p}>{/^\d{4}-\d\d$/.test(p) ? format.month(p) : p}</option>)}</Select>
        {unit ? <Button look="quiet" size="small" onClick={() => setSearch({ unit: undefined })}>{t('dossiers:score.all')}</Button> : null}
      </div>
      <Waiting />
      {unit ? (
        <Loaded of={score} rows={6}>{data => <><h2>{data.unit.name}</h2><Opened score={data} /></>}</Loaded>
      ) : (
        <Loaded of={scores} rows={6}>
          {data =>
            data.rows.length === 0 ? (
              <Empty title={t('dossiers:empty')}>{t('dossiers:score.none')}</Empty>
            ) : (
              <>
                <Note tone="high">{t('dossiers:score.unofficial')}</Note>
                <ol className="score-list">
                  {data.rows.map(row => (
                    <li key={row.unit.id}>
                      <a href={`/lead/dossiers/score?period=${encodeURIComponent(period)}&unit=${encodeURIComponent(row.unit.id)}`}>
                        <span className="grow">{row.unit.name}</span>
                        <Meter share={row.total / 100} label={row.unit.name} />
                        <b className="tnum nowrap">{format.number(row.total, 2)} <span className="quiet">/ {format.number(row.known)}</span></b>
                        {row.class ? <Badge tone="good">{named(lng, row.class.name, row.class.name_en)}</Badge> : null}
                      </a>
                    </li>
                  ))}
                </ol>
              </>
            )
          }
        </Loaded>
      )}
    </div>
  )
}
