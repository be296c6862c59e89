import { useState, type FormEvent } from 'react'
import { useRegister } from '@/api/access'
import { useT } from '@/i18n'
import { Button, Card, FailedNote, Field, go, Input, PageHeader, useTitle } from '@/ui'

const SHORTEST = 10

export default function RegisterPage() {
  const t = useT()
  useTitle(t('access.register'))
  const [form, setForm] = useState({ login: '', name: '', password: '' })
  const [touched, setTouched] = useState(false)
  const register = useRegister()
  const short = form.password.length < SHORTEST
  function send(event: FormEvent): void {
    event.preventDefault()
    setTouched(true)
    if (!short) register.mutate({ ...form, login: form.login.trim(), name: form.name.trim() }, { onSuccess: () => go('/mine') })
  }
  return (
    <div className="wrap page" style={{ maxWidth: '27rem' }}>
      <PageHeader title={t('access.register')} lead={t('access.register_lead')} />
      <Card>
        <form className="stack" onSubmit={send}>
          <Field label={t('access.name')}>{ids => <Input {...ids} required autoComplete="name" maxLength={120} value={form.name} onChange={e => setForm({ ...form, name: e.target.value })} />}</Field>
          <Field label={t('access.phone_or_mail')}>{ids => <Input {...ids} required autoComplete="username" autoCapitalize="none" maxLength={120} value={form.login} onChange={e => setForm({ ...form, login: e.target.value })} />}</Field>
          <Field label={t('access.password')} hint={t('access.password_hint', { n: SHORTEST })} error={touched && short ? t('access.password_hint', { n: SHORTEST }) : undefined}>
            {ids => <Input {...ids} required type="password" autoComplete="new-password" maxLength={200} value={form.password} onChange={e => setForm({ ...form, password: e.target.value })} />}
          </Field>
          <FailedNote error={register.error} />
          <Button type="submit" size="big" busy={register.isPending}>{t('access.register')}</Button>
        </form>
      </Card>
      <p style={{ marginTop: 'var(--s4)', textAlign: 'center' }}>
        {t('access.have_account')} <a href="/sign-in">{t('nav.sign_in')}</a>
      </p>
    </div>
  )
}
