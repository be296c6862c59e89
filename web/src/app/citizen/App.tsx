import { QueryClientProvider } from '@tanstack/react-query'
import { CircleUserRound, Home, Inbox, List, LogOut, Map as MapIcon, Megaphone, UserRound } from 'lucide-react'
import { lazy, Suspense, useEffect, useState, useSyncExternalStore, type ComponentType } from 'react'
import { useMe, useSignOut } from '@/api/access'
import { keepSending, watchQueue, queued } from '@/api/queue'
import { startTexts, useT } from '@/i18n'
import { Button, Empty, Fence, LanguageSwitch, LinkButton, Loading, moveBy, startTheme, ThemeSwitch, Toaster, toastError } from '@/ui'
import { client } from '../query'
import { Mark } from '../Mark'
import './citizen.css'
import { isCitizenPath, match, type CitizenRoute, type PageProps } from './routes'

await startTexts('citizen')
startTheme('light')
keepSending()

// A router of forty lines: the portal has nine pages, and its first page must be light.
const watchers = new Set<() => void>()
const tell = () => watchers.forEach(watcher => watcher())
window.addEventListener('popstate', tell)
moveBy((href, replace) => {
  const to = new URL(href, location.href)
  if (to.origin !== location.origin || !isCitizenPath(to.pathname) || to.pathname.startsWith('/api')) return false
  const same = to.pathname === location.pathname
  if (replace) history.replaceState(null, '', to)
  else history.pushState(null, '', to)
  tell()
  if (!same) {
    scrollTo(0, 0)
    document.getElementById('main')?.focus({ preventScroll: true })
  }
  return true
})

function usePath(): string {
  return useSyncExternalStore(
    watcher => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => location.pathname,
  )
}

const pages = new Map<CitizenRoute, ComponentType<PageProps>>()
function pageOf(route: CitizenRoute): ComponentType<PageProps> {
  const page = pages.get(route) ?? lazy(route.load)
  pages.set(route, page)
  return page
}

function Page({ path }: { path: string }) {
  const t = useT()
  const found = match(path)
  if (!found) {
    return (
      <div className="wrap page">
        <Empty level={1} title={t('citizen:missing.title')} action={<LinkButton href="/">{t('citizen:missing.home')}</LinkButton>}>
          {t('citizen:missing.body')}
        </Empty>
      </div>
    )
  }
  const Found = pageOf(found.route)
  return (
    <Fence key={path}>
      <Suspense fallback={<div className="wrap page"><Loading /></div>}>
        <Found params={found.params} />
      </Suspense>
    </Fence>
  )
}

/** How many reports wait on this device. */
function useWaiting(): number {
  const [count, setCount] = useState(0)
  useEffect(() => {
    const read = () => void queued().then(all => setCount(all.filter(r => r.state === 'waiting' || r.state === 'sending').length), () => undefined)
    read()
    return watchQueue(read)
  }, [])
  return count
}

function Account() {
  const t = useT()
  const me = useMe()
  const out = useSignOut()
  if (!me.data || me.data.kind === 'anonymous') {
    return (
      <LinkButton look="quiet" href="/sign-in" icon={<UserRound size={18} aria-hidden />} className="account">
        <span className="wide-only">{t('nav.sign_in')}</span>
        <span className="visually-hidden narrow-only">{t('nav.sign_in')}</span>
      </LinkButton>
    )
  }
  return (
    <>
      {me.data.kind === 'staff' ? (
        <LinkButton look="quiet" href="/work" className="account" icon={<Inbox size={19} aria-hidden />}>
          <span className="wide-only">{t('nav.work')}</span>
          <span className="visually-hidden narrow-only">{t('nav.work')}</span>
        </LinkButton>
      ) : null}
      <a className="account-name wide-only" href="/mine">
        <CircleUserRound size={18} aria-hidden /> {me.data.name}
      </a>
      <Button look="quiet" iconOnly className="switch" icon={<LogOut size={18} aria-hidden />} busy={out.isPending} onClick={() => out.mutate(undefined, { onError: toastError })}>
        {t('nav.sign_out')}
      </Button>
    </>
  )
}

function Shell() {
  const t = useT()
  const path = usePath()
  const waiting = useWaiting()
  const me = useMe()
  const full = path === '/map'
  const tabs = [
    { href: '/', label: t('nav.home'), icon: Home },
    { href: '/map', label: t('nav.map'), icon: MapIcon },
    { href: '/report', label: t('nav.report'), icon: Megaphone, main: true },
    { href: '/mine', label: t('nav.mine'), icon: List, count: waiting },
  ]
  return (
    <>
      <a className="skip" href="#main">{t('ui.skip')}</a>
      <header className="top">
        <div className="wrap top-in">
          <a className="brand" href="/" title={t('nav.home')}>
            <Mark />
            <span>
              <b>Dothi</b>
              <small>{me.data?.home.name ?? t('app.tagline')}</small>
            </span>
          </a>
          <nav className="top-nav" aria-label={t('nav.main')}>
            {tabs.filter(tab => tab.href !== '/').map(tab => (
              <a key={tab.href} href={tab.href} aria-current={path === tab.href ? 'page' : undefined}>
                {tab.label}
                {tab.count ? <span className="dot-count">{tab.count}</span> : null}
              </a>
            ))}
          </nav>
          <div className="top-tools">
            <LanguageSwitch />
            <ThemeSwitch />
            <Account />
          </div>
        </div>
      </header>
      <main id="main" tabIndex={-1} className={full ? 'main-full' : undefined}>
        <Page path={path} />
      </main>
      {full ? null : <Footer />}
      <nav className="tabs" aria-label={t('nav.main')}>
        {tabs.map(({ href, label, icon: Icon, main, count }) => (
          <a key={href} href={href} className={main ? 'tab-main' : undefined} aria-current={path === href ? 'page' : undefined}>
            <span className="tab-icon">
              <Icon size={main ? 24 : 21} aria-hidden />
              {count ? <span className="dot-count">{count}</span> : null}
            </span>
            {label}
          </a>
        ))}
      </nav>
      <Toaster />
    </>
  )
}

function Footer() {
  const t = useT()
  return (
    <footer className="foot">
      <div className="wrap foot-in">
        <div>
          <p className="strong">{t('citizen:foot.emergency')}</p>
          <p className="foot-phones">
            {[['113', 'police'], ['114', 'fire'], ['115', 'ambulance']].map(([n, key]) => (
              <a key={n} href={`tel:${n}`}>
                <b>{n}</b> {t(`citizen:foot.${key}`)}
              </a>
            ))}
          </p>
        </div>
        <div className="small">
          <p>{t('citizen:foot.about')}</p>
          <p>
            <a href="/api/docs" target="_blank" rel="noreferrer">{t('citizen:foot.api')}</a>
          </p>
        </div>
      </div>
    </footer>
  )
}

export default function CitizenApp() {
  return (
    <QueryClientProvider client={client}>
      <Shell />
    </QueryClientProvider>
  )
}
