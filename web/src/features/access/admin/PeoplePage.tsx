import { Plus, UserRound, X } from 'lucide-react'
import { useEffect, useMemo, useState, type FormEvent } from 'react'
import { useAddPerson, useDeactivate, useGiveRole, useMe, usePeople, useRoles, useTakeRole, useUnits, type Person } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Dialog, Empty, FailedNote, Field, Input, Note, PageHeader, SearchBox, Select, toast, toastError, useTitle } from '@/ui'
import { PagedTable, useSearch, type Column } from '@/ui/rich'
import './admin.css'

function Add({ onClose }: { onClose: (made?: Person) => void }) {
  const t = useT()
  const add = useAddPerson()
  const [form, setForm] = useState({ login: '', name: '', password: '' })
  const set = (key: keyof typeof form) => (e: { target: { value: string } }) => setForm(before => ({ ...before, [key]: e.target.value }))
  const send = (event: FormEvent) => {
    event.preventDefault()
    add.mutate({ ...form, login: form.login.trim(), name: form.name.trim() }, { onSuccess: person => { toast(t('admin:people.added')); onClose(person) } })
  }
  return (
    <Dialog open onClose={() => onClose()} title={t('admin:people.add')}>
      <form className="stack" onSubmit={send}>
        <Field label={t('access.name')}>{ids => <Input {...ids} required maxLength={100} value={form.name} onChange={set('name')} />}</Field>
        <Field label={t('admin:people.login')}>{ids => <Input {...ids} required maxLength={100} autoComplete="off" value={form.login} onChange={set('login')} />}</Field>
        <Field label={t('access.password')} hint={t('admin:people.password_hint')}>{ids => <Input {...ids} type="password" required minLength={12} maxLength={200} autoComplete="new-password" value={form.password} onChange={set('password')} />}</Field>
        <FailedNote error={add.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={() => onClose()}>{t('ui.cancel')}</Button><Button type="submit" busy={add.isPending}>{t('admin:people.add')}</Button></div>
      </form>
    </Dialog>
  )
}

/** Gives a role at a unit, found by words without diacritics. */
function Give({ person }: { person: Person }) {
  const t = useT()
  const lng = useLanguage()
  const roles = useRoles()
  const give = useGiveRole()
  const [words, setWords] = useState('')
  const [asked, setAsked] = useState('')
  const [role, setRole] = useState('')
  const [unit, setUnit] = useState('')
  const units = useUnits({ kind: 'organisation', q: asked, limit: 20 }, asked.length >= 2)
  useEffect(() => {
    const timer = setTimeout(() => setAsked(words.trim()), 250)
    return () => clearTimeout(timer)
  }, [words])
  const found = units.data?.items ?? []
  const chosen = unit || found[0]?.id || ''
  const send = (event: FormEvent) => {
    event.preventDefault()
    give.mutate({ person: person.id, role, unit: chosen }, { onSuccess: () => { toast(t('admin:people.given')); setRole(''); setWords(''); setUnit('') } })
  }
  return (
    <form className="stack-s" onSubmit={send}>
      <h3>{t('admin:people.give')}</h3>
      <div className="two-up">
        <Field label={t('admin:people.role')}>
          {ids => (
            <Select {...ids} required value={role} onChange={e => setRole(e.target.value)}>
              <option value="" disabled>{t('admin:choose')}</option>
              {roles.data?.map(r => <option key={r.code} value={r.code}>{named(lng, r.name, r.name_en)}</option>)}
            </Select>
          )}
        </Field>
        <Field label={t('admin:people.unit_search')}>{ids => <Input {...ids} value={words} maxLength={100} onChange={e => { setWords(e.target.value); setUnit('') }} />}</Field>
      </div>
      {asked.length >= 2 ? (
        <Field label={t('admin:people.unit')}>
          {ids => <Select {...ids} value={chosen} onChange={e => setUnit(e.target.value)}>{found.length === 0 ? <option value="">{t('admin:none')}</option> : found.map(u => <option key={u.id} value={u.id}>{u.name}</option>)}</Select>}
        </Field>
      ) : null}
      <FailedNote error={give.error} />
      <div><Button type="submit" look="secondary" busy={give.isPending} disabled={!role || !chosen}>{t('admin:people.give')}</Button></div>
    </form>
  )
}

function Detail({ person, onClose }: { person: Person; onClose: () => void }) {
  const t = useT()
  const me = useMe()
  const take = useTakeRole()
  const off = useDeactivate()
  const [sure, setSure] = useState(false)
  return (
    <Dialog open onClose={onClose} title={person.name}>
      <p className="row"><span className="code">{person.login}</span>{person.active ? <Badge tone="good">{t('admin:people.active')}</Badge> : <Badge>{t('admin:people.inactive')}</Badge>}</p>
      <section className="stack-s">
        <h3>{t('admin:people.roles')}</h3>
        {person.grants.length === 0 ? <p className="quiet">{t('admin:people.no_roles')}</p> : (
          <ul className="grants">
            {person.grants.map(g => (
              <li key={g.id ?? `${g.role}${g.unit.id}`}>
                <span className="grow"><strong>{g.role_name}</strong><br /><span className="small quiet">{[g.unit.name, g.sectors?.join(', ')].filter(Boolean).join(' · ')}</span></span>
                {g.id && person.active ? <Button look="quiet" size="small" icon={<X size={16} aria-hidden />} busy={take.isPending && take.variables.grant === g.id} onClick={() => take.mutate({ person: person.id, grant: g.id ?? '' }, { onSuccess: () => toast(t('admin:people.taken')), onError: toastError })}>{t('admin:people.take')}</Button> : null}
              </li>
            ))}
          </ul>
        )}
      </section>
      {person.active ? <Give person={person} /> : null}
      {person.active && person.id !== me.data?.id ? (
        sure ? (
          <Note tone="critical">
            <p>{t('admin:people.off_sure')}</p>
            <div className="row" style={{ marginTop: 'var(--s3)' }}>
              <Button look="danger" busy={off.isPending} onClick={() => off.mutate(person.id, { onSuccess: () => { toast(t('admin:people.off_done')); onClose() }, onError: toastError })}>{t('admin:people.off')}</Button>
              <Button look="secondary" onClick={() => setSure(false)}>{t('ui.cancel')}</Button>
            </div>
          </Note>
        ) : (
          <div className="dialog-foot"><Button look="quiet" onClick={() => setSure(true)}>{t('admin:people.off')}</Button></div>
        )
      ) : null}
    </Dialog>
  )
}

export default function PeoplePage() {
  const t = useT()
  useTitle(t('admin:people.title'))
  const [search, setSearch] = useSearch()
  const [words, setWords] = useState(search['q'] ?? '')
  const people = usePeople(search['q'] ?? '')
  const [adding, setAdding] = useState(false)
  const [open, setOpen] = useState<string>()
  const shown = people.data?.pages.flatMap(page => page.items).find(p => p.id === open)
  useEffect(() => {
    const timer = setTimeout(() => (search['q'] ?? '') !== words.trim() && setSearch({ q: words.trim() }), 250)
    return () => clearTimeout(timer)
  }, [words, search, setSearch])
  const columns = useMemo<Column<Person>[]>(
    () => [
      { id: 'name', header: t('access.name'), value: p => p.name, cell: p => <strong>{p.name}</strong>, width: 'minmax(12rem, 1fr)' },
      { id: 'login', header: t('admin:people.login'), value: p => p.login, cell: p => <span className="code">{p.login}</span>, width: '11rem' },
      { id: 'roles', header: t('admin:people.roles'), cell: p => (p.grants.length === 0 ? <span className="quiet">{t('admin:people.no_roles')}</span> : <span className="lines-2 small">{p.grants.map(g => `${g.role_name} · ${g.unit.name}`).join('; ')}</span>), width: 'minmax(18rem, 2fr)' },
      { id: 'active', header: t('admin:people.state'), value: p => (p.active ? 1 : 0), cell: p => <Badge tone={p.active ? 'good' : 'info'}>{t(p.active ? 'admin:people.active' : 'admin:people.inactive')}</Badge>, width: '9rem' },
    ],
    [t],
  )
  return (
    <>
      <PageHeader title={t('admin:people.title')} lead={t('admin:people.lead')} actions={<Button icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t('admin:people.add')}</Button>} />
      <div className="tools"><SearchBox label={t('admin:people.search')} value={words} onChange={setWords} /></div>
      <PagedTable pages={people} label={t('admin:people.title')} columns={columns} rowKey={p => p.id} onOpen={p => setOpen(p.id)}><Empty icon={<UserRound size={30} aria-hidden />} title={t('admin:none')}>{t('admin:none_body')}</Empty></PagedTable>
      {adding ? <Add onClose={made => { setAdding(false); if (made) setOpen(made.id) }} /> : null}
      {shown ? <Detail person={shown} onClose={() => setOpen(undefined)} /> : null}
    </>
  )
}
