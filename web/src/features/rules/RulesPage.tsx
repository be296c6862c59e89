import { useMemo, useState } from 'react'
import { useRules, useThingTypes, type Rule } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Dialog, Empty, fold, Loaded, PageHeader, SearchBox, SeverityBadge, useTitle } from '@/ui'
import { DataTable, type Column } from '@/ui/rich'

function Detail({ rule, onClose }: { rule: Rule; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const types = useThingTypes()
  const type = types.data?.find(k => k.type === rule.type)
  const attribute = type?.attributes.find(a => a.name === rule.attribute)
  const rows: [string, React.ReactNode][] = [
    ['code', <span className="code">{rule.code}</span>],
    ['type', type ? named(lng, type.name, type.name_en) : rule.type],
    ['attribute', attribute ? `${named(lng, attribute.title, attribute.title_en)} (${rule.attribute})` : rule.attribute],
    ['source', rule.source_act ?? '–'],
    ['sure', rule.status ? t(`admin:rules.status.${rule.status}`) : '–'],
    ['owner', rule.owner ?? '–'],
    ['sector', rule.sector],
  ]
  return (
    <Dialog open onClose={onClose} title={named(lng, rule.title, rule.title_en)}>
      <pre className="pre">{rule.condition_text}</pre>
      <dl className="pairs">{rows.map(([key, value]) => <div key={key}><dt>{t(`admin:rules.${key}`)}</dt><dd>{value}</dd></div>)}</dl>
    </Dialog>
  )
}

export default function RulesPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('admin:rules.title'))
  const rules = useRules()
  const [words, setWords] = useState('')
  const [open, setOpen] = useState<Rule>()
  const columns = useMemo<Column<Rule>[]>(
    () => [
      { id: 'title', header: t('admin:rules.name'), value: r => r.title, cell: r => <span><strong>{named(lng, r.title, r.title_en)}</strong><br /><span className="code">{r.code}</span></span>, width: 'minmax(15rem, 1.6fr)' },
      { id: 'severity', header: t('admin:rules.severity'), value: r => r.severity, cell: r => (r.kind === 'derive' ? <Badge>{t('admin:rules.derive')}</Badge> : <SeverityBadge severity={r.severity} />), width: '9rem' },
      { id: 'condition', header: t('admin:rules.condition'), cell: r => <span className="clip code" title={r.condition_text}>{r.condition_text}</span>, width: 'minmax(14rem, 1.4fr)' },
      { id: 'source', header: t('admin:rules.source'), value: r => r.source_act, cell: r => <span className="lines-2 small">{r.source_act ?? '–'}</span>, width: 'minmax(11rem, 1fr)' },
      { id: 'enabled', header: t('admin:rules.enabled'), value: r => (r.enabled ? 1 : 0), cell: r => <Badge tone={r.enabled ? 'good' : 'info'}>{t(r.enabled ? 'admin:rules.on' : 'admin:rules.off')}</Badge>, width: '8rem' },
    ],
    [t, lng],
  )
  return (
    <>
      <PageHeader title={t('admin:rules.title')} lead={t('admin:rules.lead')} />
      <div className="tools"><SearchBox label={t('admin:rules.search')} value={words} onChange={setWords} /></div>
      <Loaded of={rules}>
        {page => {
          const rows = page.items.filter(r => fold(`${r.code} ${r.title} ${r.title_en ?? ''} ${r.source_act ?? ''}`).includes(fold(words.trim())))
          return rows.length === 0 ? <Empty title={t('admin:none')}>{t('admin:none_body')}</Empty> : <DataTable label={t('admin:rules.title')} rows={rows} columns={columns} rowKey={r => r.code} onOpen={setOpen} rowHeight={72} />
        }}
      </Loaded>
      {open ? <Detail rule={open} onClose={() => setOpen(undefined)} /> : null}
    </>
  )
}
