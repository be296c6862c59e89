import { KeyRound, Plus } from 'lucide-react'
import { useMemo, useState } from 'react'
import { can, useAddOpen311Key, useEndOpen311Key, useMe, useOpen311Keys, type Open311Key } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Dialog, Empty, FailedNote, Field, format, Input, Loaded, Note, PageHeader, toast, toastError, useTitle } from '@/ui'
import { DataTable, type Column } from '@/ui/rich'
import { Peers } from './Peers'

function Add({ onClose }: { onClose: () => void }) {
  const t = useT()
  const add = useAddOpen311Key()
  const [name, setName] = useState('')
  const secret = add.data?.key
  if (secret)
    return (
      <Dialog open onClose={onClose} title={t('admin:tokens.secret')}>
        <Note tone="high">{t('admin:once')}</Note>
        <pre className="pre">{secret}</pre>
        <div className="dialog-foot">
          <Button look="secondary" onClick={() => void navigator.clipboard.writeText(secret).then(() => toast(t('admin:copied')))}>{t('admin:copy')}</Button>
          <Button onClick={onClose}>{t('ui.close')}</Button>
        </div>
      </Dialog>
    )
  return (
    <Dialog open onClose={onClose} title={t('admin:tokens.add')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), add.mutate(name.trim()))}>
        <Field label={t('admin:open311.name')} hint={t('admin:open311.name_hint')}>{ids => <Input {...ids} required maxLength={60} value={name} onChange={e => setName(e.target.value)} />}</Field>
        <FailedNote error={add.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={add.isPending} disabled={!name.trim()}>{t('admin:tokens.add')}</Button></div>
      </form>
    </Dialog>
  )
}

/** Keys of other systems that report over Open311, and where those find us. */
function Keys() {
  const t = useT()
  const keys = useOpen311Keys()
  const end = useEndOpen311Key()
  const [adding, setAdding] = useState(false)
  const [ending, setEnding] = useState<Open311Key>()
  const columns = useMemo<Column<Open311Key>[]>(
    () => [
      { id: 'name', header: t('admin:open311.name'), value: k => k.name, cell: k => <strong>{k.name}</strong>, width: 'minmax(11rem, 2fr)' },
      { id: 'made', header: t('admin:open311.made'), value: k => k.at, cell: k => <span className="small">{format.date(k.at)} · {k.made_by}</span>, width: 'minmax(9rem, 1fr)' },
      { id: 'state', header: t('admin:people.state'), cell: k => (k.revoked_at ? <Badge tone="critical">{t('admin:tokens.revoked')}</Badge> : <Badge tone="good">{t('admin:tokens.valid')}</Badge>), width: '9rem' },
      { id: 'end', header: '', cell: k => (k.revoked_at ? null : <Button look="quiet" size="small" onClick={() => setEnding(k)}>{t('admin:tokens.revoke')}</Button>), width: '8rem' },
    ],
    [t],
  )
  return (
    <>
      <PageHeader title={t('admin:open311.title')} lead={t('admin:open311.lead')} actions={<Button icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t('admin:tokens.add')}</Button>} />
      <p className="small quiet">{t('admin:open311.address')} <a className="code" href="/open311/discovery.xml">/open311/discovery.xml</a></p>
      <Loaded of={keys} height="3.5rem">
        {rows => rows.length === 0 ? <Empty icon={<KeyRound size={30} aria-hidden />} title={t('admin:open311.none')}>{t('admin:open311.none_body')}</Empty> : <DataTable label={t('admin:open311.title')} rows={rows} columns={columns} rowKey={k => k.id} />}
      </Loaded>
      {adding ? <Add onClose={() => setAdding(false)} /> : null}
      {ending ? (
        <Dialog open onClose={() => setEnding(undefined)} title={t('admin:tokens.revoke')}>
          <p>{t('admin:tokens.revoke_sure', { name: ending.name })}</p>
          <div className="dialog-foot">
            <Button look="quiet" onClick={() => setEnding(undefined)}>{t('ui.cancel')}</Button>
            <Button look="danger" busy={end.isPending} onClick={() => end.mutate(ending.id, { onSuccess: () => { toast(t('admin:tokens.revoked_done')); setEnding(undefined) }, onError: toastError })}>{t('admin:tokens.revoke')}</Button>
          </div>
        </Dialog>
      ) : null}
    </>
  )
}

/** Both ways of Open311: who reports to us, and to whom we hand cases. */
export default function Open311Page() {
  const t = useT()
  const me = useMe()
  useTitle(t('admin:open311.title'))
  return (
    <>
      {can(me.data, 'people-manage') ? <Keys /> : null}
      <Peers />
    </>
  )
}
