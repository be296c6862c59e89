import { BrainCircuit, RefreshCw } from 'lucide-react'
import { useMemo } from 'react'
import { can, reportType, useCaseTypes, useLearning, useLearnNow, useMe, type CaseType, type ClassMeasure, type LearnedModel, type LearningView, type LifeRow, type Measured } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Empty, FailedNote, Figure, format, Loaded, Meter, Note, PageHeader, toast, useTitle } from '@/ui'
import { DataTable, type Column } from '@/ui/rich'
import '../cases.css'

const share = (value: number | null | undefined) => (value === null || value === undefined ? '–' : format.percent(value))

function useNames(type: CaseType | undefined) {
  const lng = useLanguage()
  return useMemo(() => {
    const names = new Map<string, string>()
    for (const one of [...(type?.categories ?? []), ...(type?.urgencies ?? [])]) names.set(one.code, named(lng, one.name, one.name_en))
    return (code: string) => names.get(code) ?? code
  }, [type, lng])
}

/** What each class reaches on cases that the model never saw. */
function Classes({ measured, label, name }: { measured: Measured; label: string; name: (code: string) => string }) {
  const t = useT()
  const columns = useMemo<Column<ClassMeasure>[]>(
    () => [
      { id: 'name', header: t('admin:learn.class'), value: c => name(c.label), cell: c => <span className="lines-2">{name(c.label)}</span>, width: 'minmax(12rem, 2fr)' },
      { id: 'tested', header: t('admin:learn.tested'), value: c => c.tested, cell: c => format.number(c.tested), width: '7rem', align: 'end' },
      { id: 'precision', header: t('admin:learn.precision'), value: c => c.precision ?? undefined, cell: c => share(c.precision), width: '7.5rem', align: 'end' },
      { id: 'recall', header: t('admin:learn.recall'), value: c => c.recall ?? undefined, cell: c => share(c.recall), width: '7.5rem', align: 'end' },
      { id: 'f1', header: 'F1', value: c => c.f1 ?? undefined, cell: c => share(c.f1), width: '6rem', align: 'end' },
      { id: 'threshold', header: t('admin:learn.threshold'), value: c => c.threshold, cell: c => (c.threshold > 1 ? <span className="quiet">{t('admin:learn.never')}</span> : format.percent(c.threshold)), width: '8rem', align: 'end' },
      { id: 'filled', header: t('admin:learn.filled'), value: c => c.filled, cell: c => (c.filled > 0 ? `${format.number(c.filled_right)}/${format.number(c.filled)}` : '–'), width: '7.5rem', align: 'end' },
    ],
    [t, name],
  )
  return <DataTable label={label} rows={measured.classes} columns={columns} rowKey={c => c.label} sortBy={[{ id: 'tested', desc: true }]} />
}

/** The mistakes that are made most often: what it was, and what it was taken for. */
function Confusion({ measured, name }: { measured: Measured; name: (code: string) => string }) {
  const t = useT()
  const pairs = measured.confusion
    .flatMap((row, is) => row.map((n, named) => ({ n, is, named, of: row.reduce((a, b) => a + b, 0) })))
    .filter(p => p.n > 0 && p.is !== p.named)
    .sort((a, b) => b.n - a.n)
    .slice(0, 12)
  if (pairs.length === 0) return <p className="quiet">{t('admin:learn.no_confusion')}</p>
  return (
    <ul className="plain-list stack-s">
      {pairs.map(p => {
        const is = measured.classes[p.is]
        return (
          <li key={`${p.is}.${p.named}`}>
            <div className="spread small">
              <span><strong>{is ? name(is.label) : t('admin:learn.something_else')}</strong> → {name(measured.classes[p.named]?.label ?? '')}</span>
              <span className="tnum">{t('admin:learn.of', { n: p.n, of: p.of })}</span>
            </div>
            <Meter share={p.n / p.of} tone="high" label={t('admin:learn.of', { n: p.n, of: p.of })} />
          </li>
        )
      })}
    </ul>
  )
}

function Life({ rows, name }: { rows: readonly LifeRow[]; name: (code: string) => string }) {
  const t = useT()
  const columns = useMemo<Column<LifeRow>[]>(
    () => [
      { id: 'name', header: t('admin:learn.suggested'), value: l => name(l.category), cell: l => <span className="lines-2">{name(l.category)}</span>, width: 'minmax(12rem, 2fr)' },
      { id: 'cases', header: t('admin:learn.ended'), value: l => l.cases, cell: l => format.number(l.cases), width: '7rem', align: 'end' },
      { id: 'right', header: t('admin:learn.precision'), value: l => l.right / l.cases, cell: l => share(l.right / l.cases), width: '7.5rem', align: 'end' },
      { id: 'top3', header: t('admin:learn.top3'), value: l => l.top3 / l.cases, cell: l => share(l.top3 / l.cases), width: '7.5rem', align: 'end' },
      { id: 'filled', header: t('admin:learn.filled'), value: l => l.filled, cell: l => (l.filled > 0 ? `${format.number(l.filled_right)}/${format.number(l.filled)}` : '–'), width: '7.5rem', align: 'end' },
      { id: 'reporter', header: t('admin:learn.reporter'), value: l => l.chosen_right / l.cases, cell: l => share(l.chosen_right / l.cases), width: '9rem', align: 'end' },
    ],
    [t, name],
  )
  return <DataTable label={t('admin:learn.life')} rows={rows} columns={columns} rowKey={l => l.category} sortBy={[{ id: 'cases', desc: true }]} />
}

function InUse({ model, name }: { model: LearnedModel; name: (code: string) => string }) {
  const t = useT()
  return (
    <>
      <div className="figures">
        <Figure value={share(model.category.accuracy)} label={t('admin:learn.accuracy')} />
        <Figure value={share(model.category.top3)} label={t('admin:learn.top3')} />
        <Figure value={share(model.category.macro_f1)} label={t('admin:learn.macro_f1')} />
        <Figure value={share(model.category_plain.macro_f1)} label={t('admin:learn.macro_f1_plain')} />
        <Figure value={share(model.urgency.accuracy)} label={t('admin:learn.urgency')} />
      </div>
      <p className="small quiet">{t('admin:learn.how', { version: model.version, at: format.dateTime(model.at), trained: format.number(model.trained), tested: format.number(model.category.tested), cases: format.number(model.cases), from: format.date(model.from), to: format.date(model.to) })}</p>
      <h2>{t('admin:learn.classes')}</h2>
      <Classes measured={model.category} label={t('admin:learn.classes')} name={name} />
      <h2>{t('admin:learn.urgencies')}</h2>
      <Classes measured={model.urgency} label={t('admin:learn.urgencies')} name={name} />
      <Card>
        <div className="stack">
          <h2>{t('admin:learn.confusion')}</h2>
          <Confusion measured={model.category} name={name} />
        </div>
      </Card>
    </>
  )
}

function Learning({ view, type }: { view: LearningView; type: CaseType | undefined }) {
  const t = useT()
  const me = useMe()
  const name = useNames(type)
  const again = useLearnNow(view.kind)
  const [model, ...earlier] = view.models
  const policy = view.policy
  if (!policy) return <Empty icon={<BrainCircuit size={30} aria-hidden />} title={t('admin:learn.off')}>{t('admin:learn.off_body')}</Empty>
  const enough = view.decided >= policy.least_cases
  return (
    <div className="stack">
      {model ? null : (
        <Note>
          <p className="strong">{t('admin:learn.none', { decided: format.number(view.decided), least: format.number(policy.least_cases) })}</p>
          <p>{t('admin:learn.none_body')}</p>
          <Meter share={Math.min(1, view.decided / policy.least_cases)} tone="brand" label={t('admin:learn.none', { decided: format.number(view.decided), least: format.number(policy.least_cases) })} />
        </Note>
      )}
      <div className="row">
        {can(me.data, 'pack-manage') ? <Button look="secondary" icon={<RefreshCw size={18} aria-hidden />} busy={again.isPending || view.wanted} disabled={!enough} onClick={() => again.mutate(undefined, { onSuccess: () => toast(t('admin:learn.asked')) })}>{t('admin:learn.again')}</Button> : null}
        {view.wanted ? <Badge tone="working">{t('admin:learn.wanted')}</Badge> : null}
        <span className="small quiet">{t('admin:learn.policy', { precision: format.percent(policy.precision), days: policy.every_days, each: policy.least_of_each })}</span>
      </div>
      <FailedNote error={again.error} />
      {model ? <InUse model={model} name={name} /> : null}
      {model ? (
        <>
          <h2>{t('admin:learn.life')}</h2>
          <p className="small quiet">{t('admin:learn.life_body')}</p>
          {view.life.length > 0 ? <Life rows={view.life} name={name} /> : <p className="quiet">{t('admin:learn.life_none')}</p>}
        </>
      ) : null}
      {earlier.length > 0 ? (
        <details className="more">
          <summary>{t('admin:learn.earlier', { n: earlier.length, count: earlier.length })}</summary>
          <ul className="plain-list stack-s" style={{ paddingTop: 'var(--s3)' }}>
            {earlier.map(m => <li key={m.version} className="small">{t('admin:learn.one', { version: m.version, at: format.date(m.at), cases: format.number(m.cases), f1: share(m.category.macro_f1) })}</li>)}
          </ul>
        </details>
      ) : null}
    </div>
  )
}

/** What the platform learned from ended cases, and how far its suggestions can be trusted. */
export default function LearningPage() {
  const t = useT()
  useTitle(t('admin:learn.title'))
  const types = useCaseTypes()
  const kind = reportType(types.data)?.kind
  const view = useLearning(kind)
  return (
    <>
      <PageHeader title={t('admin:learn.title')} lead={t('admin:learn.lead')} />
      <Loaded of={view} height="5rem" rows={5}>{data => <Learning view={data} type={types.data?.find(one => one.kind === data.kind)} />}</Loaded>
    </>
  )
}
