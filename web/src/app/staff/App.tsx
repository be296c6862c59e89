import { QueryClientProvider } from '@tanstack/react-query'
import { createRootRoute, createRoute, createRouter, Outlet, RouterProvider, useParams, useRouterState } from '@tanstack/react-router'
import { Globe, LogOut } from 'lucide-react'
import { lazy, Suspense, useCallback, useEffect, useRef, type ComponentType, type ReactNode } from 'react'
import { can, useLiveState, useMe, useSignOut } from '@/api'
import { loadTexts, startTexts, useT } from '@/i18n'
import { Button, cx, Empty, Failed, Fence, go, LanguageSwitch, LinkButton, Loading, moveBy, startTheme, ThemeSwitch, Toaster, toastError } from '@/ui'
import { KeysHelp } from '@/ui/rich'
import { isCitizenPath } from '../citizen/routes'
import { Mark } from '../Mark'
import { client } from '../query'
import { EveryKey } from './Palette'
import { screens, type Screen, type ScreenProps } from './screens'
import './staff.css'

// `staff` carries the words of errors that citizens never meet.
await startTexts('staff')

function allowed(screen: Screen, has: (permission: string) => boolean): boolean {
  return screen.needs.length === 0 || screen.needs.some(has)
}

function Rail({ path }: { path: string }) {
  const t = useT()
  const me = useMe()
  const live = useLiveState()
  const out = useSignOut()
  const shown = screens.filter(screen => screen.rail && allowed(screen, p => can(me.data, p)))
  return (
    <nav className="rail" aria-label={t('nav.main')}>
      <a className="rail-brand" href="/" aria-label={t('nav.portal')}>
        <Mark size={34} />
      </a>
      <div className="rail-links">
        {shown.map(({ path: href, rail }) => {
          if (!rail) return null
          const Icon = rail.icon
          const inside = path === href || path.startsWith(`${href}/`)
          // The longest matching entry is the one we are in (`/admin/people` before `/admin`).
          const here = inside && !shown.some(other => other.path.length > href.length && (path === other.path || path.startsWith(`${other.path}/`)))
          return (
            <a key={href} href={href} aria-current={here ? 'page' : undefined}>
              <Icon size={22} aria-hidden />
              <span>{t(rail.label)}</span>
            </a>
          )
        })}
      </div>
      <div className="rail-foot">
        {live === 'off' ? null : (
          <span className={`wire wire-${live}`} title={t(`live.${live}`)}>
            <i aria-hidden />
            <span>{t(`live.${live}`)}</span>
          </span>
        )}
        <a href="/">
          <Globe size={20} aria-hidden />
          <span>{t('nav.portal')}</span>
        </a>
        <div className="rail-switches">
          <LanguageSwitch />
          <ThemeSwitch />
          <Button look="quiet" iconOnly className="switch" icon={<LogOut size={19} aria-hidden />} busy={out.isPending} onClick={() => out.mutate(undefined, { onSuccess: () => go('/'), onError: toastError })}>
            {t('nav.sign_out')}
          </Button>
        </div>
        <span className="rail-who clip" title={me.data?.grants.map(g => `${g.role_name} · ${g.unit.name}`).join('\n')}>{me.data?.name}</span>
      </div>
    </nav>
  )
}

function Shell() {
  const t = useT()
  const path = useRouterState({ select: state => state.location.pathname })
  const me = useMe()
  // A crew without network goes on with the orders its phone keeps; who they are is asked again when there is one.
  const anonymous = me.data?.kind === 'anonymous' && !away(path) && path !== WALL
  useEffect(() => {
    if (anonymous) go(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`, true)
  }, [anonymous])
  // After a move focus is somewhere again: on the page, not on nothing.
  const first = useRef(true)
  useEffect(() => {
    if (!first.current && (!document.activeElement || document.activeElement === document.body)) document.getElementById('main')?.focus({ preventScroll: true })
    first.current = false
  }, [path])
  if (me.error && !me.data) return <Failed error={me.error} onRetry={() => void me.refetch()} />
  if (!me.data || anonymous) return <Loading />
  const railed = me.data.kind === 'staff' || me.data.kind === 'citizen'
  return (
    <div className={cx('staff', !railed && 'bare')}>
      <a className="skip" href="#main">{t('ui.skip')}</a>
      {railed ? <Rail path={path} /> : null}
      <main id="main" tabIndex={-1}>
        <Fence key={path}>
          <Outlet />
        </Fence>
      </main>
      <Toaster />
      {path === WALL ? null : <EveryKey />}
      <KeysHelp />
    </div>
  )
}

/** Where screens without a keyboard come in with their link. */
const WALL = '/ioc/wall'

function away(path: string): boolean {
  return !navigator.onLine && (path.startsWith('/work/field') || path.startsWith('/field/'))
}

/** The pages of the face we are in, as far as the person may open them. */
function FaceTabs({ screen }: { screen: Screen }) {
  const t = useT()
  const me = useMe()
  const face = screen.tab?.face
  const here = useCallback((link: HTMLAnchorElement | null) => void link?.scrollIntoView({ block: 'nearest', inline: 'center' }), [])
  const pages = face ? screens.filter(other => other.tab?.face === face && allowed(other, p => can(me.data, p))) : []
  if (pages.length < 2) return null
  return (
    <nav className="face-tabs no-print" aria-label={t('nav.pages')}>
      {pages.map(page => <a key={page.path} ref={page === screen ? here : undefined} href={page.path} aria-current={page === screen ? 'page' : undefined}>{t(page.tab?.label ?? '')}</a>)}
    </nav>
  )
}

function Missing() {
  const t = useT()
  return <Empty title={t('ui.missing')} action={<LinkButton href="/">{t('nav.portal')}</LinkButton>} />
}

/** One screen: its texts and code arrive together, then permission is looked at, then it is drawn. */
function screenOf(screen: Screen): () => ReactNode {
  const Body = lazy<ComponentType<ScreenProps>>(async () => {
    const [module] = await Promise.all([screen.load(), loadTexts(...screen.texts)])
    return module
  })
  return function ScreenFrame() {
    const t = useT()
    const me = useMe()
    const params = useParams({ strict: false }) as Record<string, string>
    useEffect(() => startTheme(screen.theme ?? 'light'), [])
    if (me.data && !allowed(screen, p => can(me.data, p)) && !away(screen.path)) return <Empty title={t('ui.not_allowed')}>{t('ui.not_allowed_body')}</Empty>
    return (
      <div className={screen.full ? 'screen-full' : 'screen'}>
        <FaceTabs screen={screen} />
        <Suspense fallback={<Loading />}>
          <Body params={params} />
        </Suspense>
      </div>
    )
  }
}

startTheme(screens.find(screen => location.pathname.startsWith(screen.path))?.theme ?? 'light')

const root = createRootRoute({ component: Shell, notFoundComponent: Missing })
const tree = root.addChildren(screens.map(screen => createRoute({ getParentRoute: () => root, path: screen.path, component: screenOf(screen) })))
const router = createRouter({ routeTree: tree, defaultPreload: false, scrollRestoration: true, defaultErrorComponent: ({ error, reset }) => <Failed error={error} onRetry={reset} /> })

moveBy((href, replace) => {
  const to = new URL(href, location.href)
  if (to.origin !== location.origin || isCitizenPath(to.pathname)) return false
  router.history[replace ? 'replace' : 'push'](to.pathname + to.search + to.hash)
  return true
})

export default function StaffApp() {
  return (
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  )
}
