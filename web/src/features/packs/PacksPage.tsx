import { Package } from 'lucide-react'
import { useMemo } from 'react'
import { usePacks, type Pack } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Empty, format, Loaded, Note, PageHeader, useTitle } from '@/ui'
import { DataTable, type Column } from '@/ui/rich'

export default function PacksPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('admin:packs.title'))
  const packs = usePacks()
  const columns = useMemo<Column<Pack>[]>(
    () => [
      { id: 'name', header: t('admin:packs.name'), value: p => p.name, cell: p => <span><strong>{named(lng, p.title, p.title_en)}</strong><br /><span className="code">{p.name}</span></span>, width: 'minmax(16rem, 2fr)' },
      {
        id: 'state', header: t('admin:packs.state'), value: p => p.installed ?? '', width: '13rem',
        cell: p => (!p.installed ? <Badge>{t('admin:packs.not_installed')}</Badge> : p.available && p.available !== p.installed ? <Badge tone="medium">{t('admin:packs.newer', { version: p.available })}</Badge> : <Badge tone="good">{t('admin:packs.installed')}</Badge>),
      },
      { id: 'version', header: t('admin:packs.version'), cell: p => <span className="tnum">{p.installed ?? p.available ?? '–'}</span>, width: '7rem' },
      { id: 'at', header: t('admin:packs.at'), value: p => p.installed_at ?? '', cell: p => <span className="tnum">{format.dateTime(p.installed_at)}</span>, width: '11rem' },
      { id: 'licence', header: t('admin:packs.licence'), cell: p => p.licence, width: 'minmax(9rem, 1fr)' },
      { id: 'hash', header: t('admin:packs.hash'), cell: p => (p.hash ? <span className="code" title={p.hash}>{p.hash.slice(0, 12)}</span> : '–'), width: '9rem' },
    ],
    [t, lng],
  )
  return (
    <>
      <PageHeader title={t('admin:packs.title')} lead={t('admin:packs.lead')} />
      <Loaded of={packs}>
        {list => (list.length === 0 ? <Empty icon={<Package size={30} aria-hidden />} title={t('admin:packs.none')}>{t('admin:packs.none_body')}</Empty> : <DataTable label={t('admin:packs.title')} rows={list} columns={columns} rowKey={p => p.name} rowHeight={72} />)}
      </Loaded>
      <div style={{ marginTop: 'var(--s4)' }}><Note>{t('admin:packs.how')} <span className="code">dothi pack install &lt;name&gt;</span></Note></div>
    </>
  )
}
