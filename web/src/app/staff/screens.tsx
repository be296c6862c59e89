/**
 * Screens of the staff faces. To add one: a line here, a default-exported component in `features/<noun>/`, its texts in
 * `i18n/{vi,en}/<namespace>.json`. Nothing is loaded before the screen is opened.
 */
import { Inbox, type LucideIcon } from 'lucide-react'
import type { ComponentType } from 'react'

export interface ScreenProps {
  /** Named parts of the path (`/work/$id` gives `id`). */
  params: Record<string, string>
}

export interface Screen {
  path: string
  /** i18n namespaces besides `common`. */
  texts: readonly string[]
  load: () => Promise<{ default: ComponentType<ScreenProps> }>
  /** Shown to holders of one of these permissions; the server decides anyway. */
  needs: readonly string[]
  /** Entry in the rail: key of its label in `common`, and icon. */
  rail?: { label: string; icon: LucideIcon }
  /** The face's default theme (`dark` for the operations room). */
  theme?: 'light' | 'dark'
  /** Full bleed: no padding, no page scroll, no title bar. */
  full?: boolean
}

export const screens: readonly Screen[] = [
  { path: '/work', texts: ['work', 'citizen'], load: () => import('@/features/cases/desk/DeskPage'), needs: ['case-read'], rail: { label: 'nav.work', icon: Inbox } },
  { path: '/work/$id', texts: ['work', 'citizen'], load: () => import('@/features/cases/desk/CaseDesk'), needs: ['case-read'] },
]
