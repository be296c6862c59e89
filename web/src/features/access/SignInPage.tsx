import { useState, type FormEvent } from 'react'
import { useSignIn } from '@/api/access'
import { useT } from '@/i18n'
import { Button, Card, FailedNote, Field, go, Input, PageHeader, useTitle } from '@/ui'

/** Only addresses of this site: a foreign `next` would be an open redirect. */
export function safeNext(search: string): string | undefined {
  const next = new URLSearchParams(search).get('next')
  return next && /^\/(?![/\\])/.test(next) ? next : undefined
}

export default function SignInPage() {
  const t = useT()
  useTitle(t('nav.sign_in'))
  const [login, setLogin] = useState('')
  const [password, setPassword] = useState('')
  const signIn = useSignIn()
  function send(event: FormEvent): void {
    event.preventDefault()
    signIn.mutate({ login: login.trim(), password }, { onSuccess: me => go(safeNext(location.search) ?? (me.kind === 'staff' ? '/work' : '/mine')) })
  }
  return (
    <div className="wrap page" style={{ maxWidth: '27rem' }}>
      <PageHeader title={t('nav.sign_in')} lead={t('access.sign_in_lead')} />
      <Card>
        <form className="stack" onSubmit={send}>
          <Field label={t('access.login')}>{ids => <Input {...ids} required autoComplete="username" autoCapitalize="none" maxLength={120} value={login} onChange={e => setLogin(e.target.value)} />}</Field>
          <Field label={t('access.password')}>{ids => <Input {...ids} required type="password" autoComplete="current-password" maxLength={200} value={password} onChange={e => setPassword(e.target.value)} />}</Field>
          <FailedNote error={signIn.error} />
          <Button type="submit" size="big" busy={signIn.isPending}>{t('nav.sign_in')}</Button>
        </form>
      </Card>
      <p style={{ marginTop: 'var(--s4)', textAlign: 'center' }}>
        {t('access.no_account')} <a href="/register">{t('access.register')}</a>
        <br />
        <a href="/forgotten">{t('access.forgotten')}</a>
      </p>
    </div>
  )
}
