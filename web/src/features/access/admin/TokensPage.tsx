import { KeyRound, Plus } from 'lucide-react'
import { useMemo, useState, type FormEvent } from 'react'
import { useAddToken, useMe, useRevokeToken, useTokens, type Token } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Check, Dialog, Empty, Failed, FailedNote, Field, format, Input, Loading, Note, PageHeader, Select, toast, toastError, useNow, useTitle } from '@/ui'
import { DataTable, type Column } from '@/ui/rich'
import './admin.css'

const DAYS = ['30', '90', '365'] as const

function Add({ onDone, onClose }: { onDone: (secret: string) => void; onClose: () => void }) {
  const t = useT()
  const me = useMe()
  const add = useAddToken()
  const [name, setName] = useState('')
  const [days, setDays] = useState('90')
  const [chosen, setChosen] = useState<readonly string[]>([])
  const send = (event: FormEvent) => {
    event.preventDefault()
    add.mutate({ name: name.trim(), permissions: [...chosen], expires_at: new Date(Date.now() + Number(days) * 86_400_000).toISOString() }, { onSuccess: made => onDone(made.secret) })
  }
  return (
    <Dialog open onClose={onClose} title={t('admin:tokens.add')}>
      <form className="stack" onSubmit={send}>
        <Field label={t('admin:tokens.name')} hint={t('admin:tokens.name_hint')}>{ids => <Input {...ids} required maxLength={60} value={name} onChange={e => setName(e.target.value)} />}</Field>
        <Field label={t('admin:tokens.life')}>{ids => <Select {...ids} value={days} onChange={e => setDays(e.target.value)}>{DAYS.map(d => <option key={d} value={d}>{t('admin:tokens.days', { n: d })}</option>)}</Select>}</Field>
        <fieldset>
          <legend className="field-label">{t('admin:tokens.permissions')}</legend>
          <div className="checks">
            {me.data?.permissions.map(p => <Check key={p} checked={chosen.includes(p)} onChange={e => setChosen(before => (e.target.checked ? [...before, p] : before.filter(x => x !== p)))}>{t(`admin:permission.${p}`)}</Check>)}
          </div>
        </fieldset>
        <FailedNote error={add.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={add.isPending} disabled={!name.trim() || chosen.length === 0}>{t('admin:tokens.add')}</Button></div>
      </form>
    </Dialog>
  )
}

/** Keys for programs. The secret is shown once; a key never allows more than its maker may. */
export default function TokensPage() {
  const t = useT()
  useTitle(t('admin:tokens.title'))
  const now = useNow()
  const tokens = useTokens()
  const revoke = useRevokeToken()
  const [adding, setAdding] = useState(false)
  const [secret, setSecret] = useState<string>()
  const [ending, setEnding] = useState<Token>()
  const rows = useMemo(() => tokens.data?.pages.flatMap(page => page.items) ?? [], [tokens.data])
  const columns = useMemo<Column<Token>[]>(
    () => [
      { id: 'name', header: t('admin:tokens.name'), value: k => k.name, cell: k => <strong>{k.name}</strong>, width: 'minmax(12rem, 1.2fr)' },
      { id: 'permissions', header: t('admin:tokens.permissions'), cell: k => <span className="lines-2 small">{k.permissions.map(p => t(`admin:permission.${p}`)).join(', ')}</span>, width: 'minmax(14rem, 2fr)' },
      { id: 'expires', header: t('admin:tokens.expires'), value: k => k.expires_at, cell: k => <span className="tnum">{format.date(k.expires_at)}</span>, width: '9rem' },
      { id: 'state', header: t('admin:people.state'), cell: k => (k.revoked_at ? <Badge tone="critical">{t('admin:tokens.revoked')}</Badge> : Date.parse(k.expires_at) < now ? <Badge>{t('admin:tokens.over')}</Badge> : <Badge tone="good">{t('admin:tokens.valid')}</Badge>), width: '9rem' },
      { id: 'revoke', header: '', cell: k => (k.revoked_at ? null : <Button look="quiet" size="small" onClick={() => setEnding(k)}>{t('admin:tokens.revoke')}</Button>), width: '8rem' },
    ],
    [t, now],
  )
  return (
    <>
      <PageHeader title={t('admin:tokens.title')} lead={t('admin:tokens.lead')} actions={<Button icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t('admin:tokens.add')}</Button>} />
      {tokens.error && rows.length === 0 ? (
        <Failed error={tokens.error} onRetry={() => void tokens.refetch()} />
      ) : !tokens.data ? (
        <Loading rows={3} height="3.5rem" />
      ) : rows.length === 0 ? (
        <Empty icon={<KeyRound size={30} aria-hidden />} title={t('admin:tokens.none')}>{t('admin:tokens.none_body')}</Empty>
      ) : (
        <DataTable label={t('admin:tokens.title')} rows={rows} columns={columns} rowKey={k => k.id} onEnd={() => tokens.hasNextPage && !tokens.isFetchingNextPage && void tokens.fetchNextPage()} />
      )}
      {adding ? <Add onClose={() => setAdding(false)} onDone={s => { setAdding(false); setSecret(s) }} /> : null}
      {secret ? (
        <Dialog open onClose={() => setSecret(undefined)} title={t('admin:tokens.secret')}>
          <Note tone="high">{t('admin:once')}</Note>
          <pre className="pre">{secret}</pre>
          <div className="dialog-foot">
            <Button look="secondary" onClick={() => void navigator.clipboard.writeText(secret).then(() => toast(t('admin:copied')))}>{t('admin:copy')}</Button>
            <Button onClick={() => setSecret(undefined)}>{t('ui.close')}</Button>
          </div>
        </Dialog>
      ) : null}
      {ending ? (
        <Dialog open onClose={() => setEnding(undefined)} title={t('admin:tokens.revoke')}>
          <p>{t('admin:tokens.revoke_sure', { name: ending.name })}</p>
          <div className="dialog-foot">
            <Button look="quiet" onClick={() => setEnding(undefined)}>{t('ui.cancel')}</Button>
            <Button look="danger" busy={revoke.isPending} onClick={() => revoke.mutate(ending.id, { onSuccess: () => { toast(t('admin:tokens.revoked_done')); setEnding(undefined) }, onError: toastError })}>{t('admin:tokens.revoke')}</Button>
          </div>
        </Dialog>
      ) : null}
    </>
  )
}
