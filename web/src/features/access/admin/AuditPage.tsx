import { ShieldAlert, ShieldCheck } from 'lucide-react'
import { useEffect, useMemo, useState } from 'react'
import { useAudit, useAuditCheck, type AuditRow } from '@/api'
import { hasText, useT } from '@/i18n'
import { Button, Dialog, Empty, FailedNote, format, Note, PageHeader, SearchBox, Select, useTitle } from '@/ui'
import { PagedTable, useSearch, type Column } from '@/ui/rich'
import './admin.css'

const PREFIXES = ['access.', 'case.', 'work.', 'dossiers.', 'alarm.', 'rule.', 'incident', 'panels.', 'notify.', 'oversight.', 'device.', 'history.', 'pack.'] as const

function actionText(t: (key: string) => string, action: string): string {
  const key = `audit:action.${action.replaceAll('.', '_')}`
  return hasText(key) ? t(key) : action
}

export default function AuditPage() {
  const t = useT()
  useTitle(t('admin:audit.title'))
  const [search, setSearch] = useSearch()
  const [words, setWords] = useState(search['prefix'] ?? '')
  const audit = useAudit(search['prefix'] ?? '')
  const check = useAuditCheck()
  const [open, setOpen] = useState<AuditRow>()
  useEffect(() => {
    const timer = setTimeout(() => (search['prefix'] ?? '') !== words.trim() && setSearch({ prefix: words.trim() }), 300)
    return () => clearTimeout(timer)
  }, [words, search, setSearch])
  const columns = useMemo<Column<AuditRow>[]>(
    () => [
      { id: 'seq', header: t('admin:audit.seq'), value: r => r.seq, cell: r => r.seq, width: '5.5rem', align: 'end' },
      { id: 'at', header: t('admin:audit.at'), value: r => r.at, cell: r => <span className="tnum">{format.dateTime(r.at)}</span>, width: '11rem' },
      { id: 'actor', header: t('admin:audit.actor'), value: r => r.actor, cell: r => <span className="clip">{r.actor}</span>, width: 'minmax(9rem, 1fr)' },
      { id: 'action', header: t('admin:audit.what'), value: r => r.action, cell: r => <span className="clip" title={r.action}>{actionText(t, r.action)}</span>, width: 'minmax(12rem, 1.4fr)' },
      { id: 'object', header: t('admin:audit.object'), value: r => r.object, cell: r => <span className="clip code" title={r.object}>{r.object}</span>, width: 'minmax(12rem, 1.4fr)' },
      { id: 'address', header: t('admin:audit.address'), value: r => r.address, cell: r => <span className="tnum">{r.address ?? '–'}</span>, width: '9rem' },
    ],
    [t],
  )
  return (
    <>
      <PageHeader title={t('admin:audit.title')} lead={t('admin:audit.lead')} actions={<Button look="secondary" busy={check.isPending} icon={<ShieldCheck size={18} aria-hidden />} onClick={() => check.mutate()}>{t('admin:audit.check')}</Button>} />
      <div className="stack-s" aria-live="polite" style={{ marginBottom: check.data || check.error ? 'var(--s4)' : 0 }}>
        {check.data ? (
          check.data.broken_at === undefined ? <Note tone="good" icon={<ShieldCheck size={20} aria-hidden />}>{t('admin:audit.whole', { n: format.number(check.data.rows) })}</Note> : <Note tone="critical" icon={<ShieldAlert size={20} aria-hidden />}>{t('admin:audit.broken', { n: check.data.broken_at })}</Note>
        ) : null}
        <FailedNote error={check.error} />
      </div>
      <div className="tools">
        <Select aria-label={t('admin:audit.area')} value={PREFIXES.find(p => p === search['prefix']) ?? ''} onChange={e => setWords(e.target.value)}>
          <option value="">{t('admin:audit.everything')}</option>
          {PREFIXES.map(p => <option key={p} value={p}>{t(`audit:prefix.${p.replace('.', '')}`)}</option>)}
        </Select>
        <SearchBox label={t('admin:audit.search')} value={words} onChange={setWords} />
      </div>
      <PagedTable pages={audit} label={t('admin:audit.title')} columns={columns} rowKey={r => String(r.seq)} onOpen={setOpen} rowHeight={46}><Empty title={t('admin:none')}>{t('admin:none_body')}</Empty></PagedTable>
      {open ? (
        <Dialog open onClose={() => setOpen(undefined)} title={actionText(t, open.action)}>
          <dl className="pairs">
            <div><dt>{t('admin:audit.at')}</dt><dd className="tnum">{format.dateTime(open.at)}</dd></div>
            <div><dt>{t('admin:audit.actor')}</dt><dd>{open.actor}</dd></div>
            <div><dt>{t('admin:audit.what')}</dt><dd><span className="code">{open.action}</span></dd></div>
            <div><dt>{t('admin:audit.object')}</dt><dd><span className="code">{open.object}</span></dd></div>
            <div><dt>{t('admin:audit.address')}</dt><dd>{open.address ?? '–'}</dd></div>
            <div><dt>{t('admin:audit.request')}</dt><dd><span className="code">{open.request}</span></dd></div>
            <div><dt>{t('admin:audit.hash')}</dt><dd><span className="code">{open.hash}</span></dd></div>
          </dl>
          <pre className="pre">{JSON.stringify(open.detail, null, 2)}</pre>
        </Dialog>
      ) : null}
    </>
  )
}
