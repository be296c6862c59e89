import { Ban, Inbox, ShieldCheck } from 'lucide-react'
import { useState } from 'react'
import { useBarred, useCaseTypes, useDesk, useUnbar, type CaseRow, type DeskFilter } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Due, Empty, Failed, format, Loading, PageHeader, toast, toastError, useTitle } from '@/ui'
import { Tabs } from '@/ui/rich'
import '../cases.css'
import { BarDialog } from './Noticed'

function Rows({ filter, names, empty }: { filter: DeskFilter; names: ReadonlyMap<string, string>; empty: string }) {
  const t = useT()
  const desk = useDesk(filter)
  const rows: CaseRow[] = desk.data?.pages.flatMap(page => page.items) ?? []
  if (desk.error && rows.length === 0) return <Failed error={desk.error} onRetry={() => void desk.refetch()} />
  if (desk.isPending) return <Loading />
  if (rows.length === 0) return <Empty icon={<ShieldCheck size={30} aria-hidden />} title={empty} />
  return (
    <>
      <ul className="plain-list stack-s">
        {rows.map(row => (
          <li key={row.id} className="part">
            <a href={`/work/${row.id}`}>{row.text_short}</a>
            <span className="row small">
              <span className="quiet tnum">{row.code}</span>
              <span className="quiet">{[row.category_name, row.area_name].filter(Boolean).join(' · ')}</span>
              {row.flags.map(flag => <Badge key={flag} tone="high">{names.get(flag) ?? flag}</Badge>)}
              <Due at={row.due_at} />
            </span>
          </li>
        ))}
      </ul>
      {desk.hasNextPage ? <Button look="secondary" busy={desk.isFetchingNextPage} onClick={() => void desk.fetchNextPage()}>{t('ui.more')}</Button> : null}
    </>
  )
}

function BarredList() {
  const t = useT()
  const list = useBarred()
  const end = useUnbar()
  const [adding, setAdding] = useState(false)
  const rows = list.data?.pages.flatMap(page => page.items) ?? []
  if (list.error && rows.length === 0) return <Failed error={list.error} onRetry={() => void list.refetch()} />
  if (list.isPending) return <Loading />
  return (
    <div className="stack">
      <div className="spread">
        <p className="small quiet grow">{t('intake:barred.lead')}</p>
        <Button size="small" icon={<Ban size={16} aria-hidden />} onClick={() => setAdding(true)}>{t('intake:barred.add')}</Button>
      </div>
      {rows.length === 0 ? <Empty icon={<Inbox size={30} aria-hidden />} title={t('intake:barred.none')} /> : null}
      <ul className="plain-list stack-s">
        {rows.map(entry => (
          <li key={entry.id} className="part">
            <span className="row">
              <strong className="tnum">{entry.label}</strong>
              <Badge tone={entry.active ? 'high' : 'info'}>{t(entry.active ? `intake:barred.kind.${entry.kind}` : 'intake:barred.ended')}</Badge>
              <span className="grow" />
              {entry.active ? <Button look="quiet" size="small" busy={end.isPending} onClick={() => end.mutate(entry.id, { onSuccess: () => toast(t('intake:barred.end_done')), onError: toastError })}>{t('intake:barred.end')}</Button> : null}
            </span>
            <span>{entry.reason}</span>
            <span className="small quiet">{t('intake:barred.facts', { by: entry.by, at: format.date(entry.at), until: format.date(entry.until), hits: entry.hits })}</span>
          </li>
        ))}
      </ul>
      {list.hasNextPage ? <Button look="secondary" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('ui.more')}</Button> : null}
      {adding ? <BarDialog onClose={() => setAdding(false)} /> : null}
    </div>
  )
}

/** What the centre looks at before it goes anywhere. */
export default function ModerationPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('intake:moderation'))
  const types = useCaseTypes()
  const names = new Map((types.data ?? []).flatMap(type => type.flags.map(flag => [flag.code, named(lng, flag.name, flag.name_en)] as const)))
  return (
    <>
      <PageHeader title={t('intake:moderation')} lead={t('intake:moderation_lead')} />
      <Card>
        <Tabs
          label={t('intake:moderation')}
          items={[
            { id: 'held', label: t('intake:held'), body: () => <Rows filter={{ view: 'all', state: 'held' }} names={names} empty={t('intake:held_none')} /> },
            { id: 'flagged', label: t('intake:flagged'), body: () => <Rows filter={{ view: 'todo', flagged: 'any' }} names={names} empty={t('intake:flagged_none')} /> },
            { id: 'photos', label: t('intake:photos'), body: () => <Rows filter={{ view: 'all', photos: 'undecided' }} names={names} empty={t('intake:photos_none')} /> },
            { id: 'barred', label: t('intake:barred.title'), body: () => <BarredList /> },
          ]}
        />
      </Card>
    </>
  )
}
