import { useMe, useRoles } from '@/api'
import type { SharedWith } from '@/api/boards'
import { named, useLanguage, useT } from '@/i18n'
import { Field, Note, Segments, Select } from '@/ui'

/** With whom a board is shared. What it shows is asked for by whoever looks: sharing gives nobody new rights. */
export function ShareFields({ shared, audience, onChange }: { shared: SharedWith; audience: string | undefined; onChange: (shared: SharedWith, audience: string | undefined) => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const roles = useRoles()
  const units = [...new Map((me.data?.grants ?? []).map(grant => [grant.unit.id, grant.unit.name])).entries()]
  const first = (next: SharedWith) => (next === 'unit' ? units[0]?.[0] : next === 'role' ? me.data?.grants[0]?.role : undefined)
  return (
    <div className="stack">
      <Segments label={t('boards:share.title')} value={shared} onChange={next => onChange(next, first(next))} options={(['me', 'unit', 'role', 'all'] as const).map(value => ({ value, label: t(`boards:share.${value}`) }))} />
      {shared === 'unit' ? <Field label={t('boards:share.unit')}>{ids => <Select {...ids} value={audience} onChange={e => onChange('unit', e.target.value)}>{units.map(([id, name]) => <option key={id} value={id}>{name}</option>)}</Select>}</Field> : null}
      {shared === 'role' ? <Field label={t('boards:share.role')}>{ids => <Select {...ids} value={audience} onChange={e => onChange('role', e.target.value)}>{roles.data?.map(role => <option key={role.code} value={role.code}>{named(lng, role.name, role.name_en)}</option>)}</Select>}</Field> : null}
      <Note>{t('boards:share.note')}</Note>
    </div>
  )
}
