import type { ComponentType } from 'react'
import { loadTexts } from '@/i18n'

/** A page of the citizen portal; `params` are the named parts of its path. */
export interface PageProps {
  params: Record<string, string>
}
export interface CitizenRoute {
  path: string
  load: () => Promise<{ default: ComponentType<PageProps> }>
}

/** Pages about messages bring their texts with them. */
async function withLetters<T>(page: Promise<T>): Promise<T> {
  const [module] = await Promise.all([page, loadTexts('notify')])
  return module
}

/** Traffic brings its texts with it. */
async function withTraffic<T>(page: Promise<T>): Promise<T> {
  const [module] = await Promise.all([page, loadTexts('traffic')])
  return module
}

export const routes: readonly CitizenRoute[] = [
  { path: '/', load: () => import('./Home') },
  { path: '/report', load: () => import('@/features/cases/report/ReportPage') },
  { path: '/t/:code', load: () => import('@/features/cases/public/CasePage') },
  { path: '/r/:code', load: () => import('@/features/cases/public/CasePage') },
  { path: '/map', load: () => import('./MapPage') },
  { path: '/stats', load: () => import('@/features/cases/stats/PublicStatsPage') },
  { path: '/stats/map', load: () => import('@/features/cases/stats/DensityPage') },
  { path: '/stats/:year', load: () => import('@/features/cases/stats/YearPage') },
  { path: '/mine', load: () => import('@/features/cases/public/MinePage') },
  { path: '/follows', load: () => withLetters(import('@/features/cases/public/FollowsPage')) },
  { path: '/air', load: () => import('@/features/context/AirPage') },
  { path: '/traffic', load: () => withTraffic(import('@/features/traffic/PublicPage')) },
  { path: '/services', load: () => import('@/features/dossiers/ServicesPage') },
  { path: '/counter', load: () => import('@/features/dossiers/CounterPage') },
  { path: '/sign-in', load: () => import('@/features/access/SignInPage') },
  { path: '/forgotten', load: () => withLetters(import('@/features/access/ForgottenPage')) },
  { path: '/password', load: () => withLetters(import('@/features/access/NewPasswordPage')) },
  { path: '/address', load: () => withLetters(import('@/features/access/AddressPage')) },
  { path: '/register', load: () => import('@/features/access/RegisterPage') },
]

export function match(pathname: string): { route: CitizenRoute; params: Record<string, string> } | undefined {
  const parts = pathname.replace(/\/+$/, '').split('/')
  for (const route of routes) {
    const wanted = route.path.replace(/\/+$/, '').split('/')
    if (wanted.length !== parts.length) continue
    const params: Record<string, string> = {}
    const same = wanted.every((want, i) => {
      const part = parts[i] ?? ''
      if (!want.startsWith(':')) return want === part
      params[want.slice(1)] = decodeURIComponent(part)
      return part !== ''
    })
    if (same) return { route, params }
  }
  return undefined
}

const STAFF = /^\/(work|ioc|lead|admin|devices|field)(\/|$)/

/** Everything that is not a face of staff belongs to the portal, also its "not found". */
export function isCitizenPath(pathname: string): boolean {
  return !STAFF.test(pathname)
}
