/**
 * Screens of the staff faces. To add one: a line here, a default-exported component in `features/<noun>/`, its texts in
 * `i18n/{vi,en}/<namespace>.json`. Nothing is loaded before the screen is opened.
 */
import { Cctv, CarFront, ChartNoAxesCombined, Flame, FolderClock, HardHat, Inbox, LayoutDashboard, Radar, Settings2, Siren, Truck, type LucideIcon } from 'lucide-react'
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
  /** Entry among the pages of a face: the face's path and the key of the label in `common`. */
  tab?: { face: string; label: string }
  /** The face's default theme (`dark` for the operations room). */
  theme?: 'light' | 'dark'
  /** Full bleed: no padding, no page scroll, no title bar. */
  full?: boolean
}

/** Who has something to administer. */
const ADMIN = ['people-manage', 'units-manage', 'pack-manage', 'device-manage', 'traffic-manage', 'audit-read', 'system-read', 'history-query', 'case-triage', 'camera-manage', 'camera-audit']
/** Who has something to look at. */
const OFFICE = ['alarm-read', 'case-read', 'incident-read', 'scorecard-read', 'context-read']

export const screens: readonly Screen[] = [
  { path: '/work', texts: ['work', 'citizen'], load: () => import('@/features/cases/desk/DeskPage'), needs: ['case-read'], rail: { label: 'nav.work', icon: Inbox }, tab: { face: '/work', label: 'tab.desk' } },
  { path: '/work/crews', texts: ['field'], load: () => import('@/features/cases/field/CrewsPage'), needs: ['case-handle'], tab: { face: '/work', label: 'tab.crews' } },
  { path: '/work/field', texts: ['field'], load: () => import('@/features/cases/field/FieldPage'), needs: ['work-do'], rail: { label: 'nav.field', icon: HardHat } },
  { path: '/work/field/$id', texts: ['field'], load: () => import('@/features/cases/field/OrderPage'), needs: ['work-do', 'case-read'] },
  { path: '/work/intake', texts: ['intake', 'citizen'], load: () => import('@/features/cases/intake/CallPage'), needs: ['case-triage'], tab: { face: '/work', label: 'tab.intake' } },
  { path: '/work/moderation', texts: ['intake', 'work', 'citizen'], load: () => import('@/features/cases/intake/ModerationPage'), needs: ['case-triage'], tab: { face: '/work', label: 'tab.moderation' } },
  { path: '/work/dossiers', texts: ['dossiers'], load: () => import('@/features/dossiers/BoardPage'), needs: ['case-read', 'scorecard-read', 'dossier-write'], rail: { label: 'nav.dossiers', icon: FolderClock } },
  { path: '/work/dossiers/$code', texts: ['dossiers'], load: () => import('@/features/dossiers/DossierPage'), needs: ['case-read', 'scorecard-read', 'dossier-write'] },
  { path: '/ioc', texts: ['ioc', 'citizen'], load: () => import('../ioc/IocPage'), needs: ['alarm-read'], rail: { label: 'nav.ioc', icon: Radar }, theme: 'dark', full: true },
  { path: '/ioc/panels', texts: ['panels'], load: () => import('@/features/panels/SignalsPage'), needs: ['alarm-read'], rail: { label: 'nav.panels', icon: Flame }, theme: 'dark', full: true },
  { path: '/ioc/cameras', texts: ['video'], load: () => import('@/features/video/WallPage'), needs: ['camera-watch'], rail: { label: 'nav.cameras', icon: Cctv }, theme: 'dark', full: true },
  { path: '/ioc/cameras/$id', texts: ['video'], load: () => import('@/features/video/CameraPage'), needs: ['camera-watch'], theme: 'dark' },
  { path: '/ioc/traffic', texts: ['traffic'], load: () => import('@/features/traffic/TrafficPage'), needs: ['traffic-read'], rail: { label: 'nav.traffic', icon: CarFront }, theme: 'dark', full: true },
  { path: '/ioc/alarms/figures', texts: ['ioc'], load: () => import('@/features/rules/alarms/FiguresPage'), needs: ['alarm-read'], tab: { face: '/ioc/alarms', label: 'tab.alarm_figures' }, theme: 'dark' },
  { path: '/ioc/alarms/aside', texts: ['ioc'], load: () => import('@/features/rules/alarms/AsidePage'), needs: ['alarm-read'], tab: { face: '/ioc/alarms', label: 'tab.alarm_aside' }, theme: 'dark' },
  { path: '/ioc/incidents', texts: ['incidents'], load: () => import('@/features/incidents/BoardPage'), needs: ['incident-read'], rail: { label: 'nav.incidents', icon: Siren }, tab: { face: '/ioc/incidents', label: 'tab.incidents' }, theme: 'dark' },
  { path: '/ioc/shift', texts: ['incidents'], load: () => import('@/features/incidents/ShiftPage'), needs: ['incident-handle'], tab: { face: '/ioc/incidents', label: 'tab.shift' }, theme: 'dark' },
  { path: '/ioc/chain', texts: ['incidents'], load: () => import('@/features/incidents/ChainPage'), needs: ['incident-read'], tab: { face: '/ioc/incidents', label: 'tab.chain' }, theme: 'dark' },
  { path: '/ioc/incidents/$id/report', texts: ['incidents'], load: () => import('@/features/incidents/ReportPage'), needs: ['incident-read'] },
  { path: '/ioc/boards', texts: ['boards'], load: () => import('@/features/oversight/boards/BoardsPage'), needs: OFFICE, rail: { label: 'nav.boards', icon: LayoutDashboard }, tab: { face: '/ioc/boards', label: 'tab.boards' }, theme: 'dark' },
  { path: '/ioc/boards/$id', texts: ['boards'], load: () => import('@/features/oversight/boards/BoardPage'), needs: OFFICE, theme: 'dark' },
  { path: '/ioc/wall', texts: ['boards'], load: () => import('@/features/oversight/boards/WallPage'), needs: [], theme: 'dark', full: true },
  { path: '/field/dispatch', texts: ['incidents'], load: () => import('@/features/incidents/DispatchPage'), needs: ['dispatch-do'], rail: { label: 'nav.dispatch', icon: Truck } },
  { path: '/work/incidents', texts: ['incidents'], load: () => import('@/features/incidents/TasksPage'), needs: ['incident-read'], tab: { face: '/work', label: 'tab.incident_tasks' } },
  { path: '/lead', texts: ['lead', 'boards'], load: () => import('@/features/oversight/LeadPage'), needs: ['scorecard-read'], rail: { label: 'nav.lead', icon: ChartNoAxesCombined }, tab: { face: '/lead', label: 'tab.card' } },
  { path: '/lead/values', texts: ['lead'], load: () => import('@/features/oversight/ValuesPage'), needs: ['indicator-report', 'indicator-approve'], tab: { face: '/lead', label: 'tab.values' } },
  { path: '/lead/cases', texts: ['lead'], load: () => import('@/features/cases/stats/StatsPage'), needs: ['scorecard-read'], tab: { face: '/lead', label: 'tab.case_stats' } },
  { path: '/lead/dossiers', texts: ['dossiers'], load: () => import('@/features/dossiers/BoardPage'), needs: ['scorecard-read'], tab: { face: '/lead', label: 'tab.dossiers' } },
  { path: '/lead/dossiers/score', texts: ['dossiers'], load: () => import('@/features/dossiers/ScorePage'), needs: ['scorecard-read', 'indicator-report', 'indicator-approve'], tab: { face: '/lead', label: 'tab.score' } },
  { path: '/lead/dossiers/odd', texts: ['dossiers'], load: () => import('@/features/dossiers/OddPage'), needs: ['scorecard-read', 'dossier-write'], tab: { face: '/lead', label: 'tab.odd' } },
  { path: '/lead/$set/$code', texts: ['lead'], load: () => import('@/features/oversight/IndicatorPage'), needs: ['scorecard-read'] },
  { path: '/admin', texts: ['admin'], load: () => import('@/features/system/HealthPage'), needs: ADMIN, rail: { label: 'nav.admin', icon: Settings2 }, tab: { face: '/admin', label: 'tab.health' } },
  { path: '/admin/people', texts: ['admin'], load: () => import('@/features/access/admin/PeoplePage'), needs: ['people-manage'], tab: { face: '/admin', label: 'tab.people' } },
  { path: '/admin/units', texts: ['admin'], load: () => import('@/features/access/admin/UnitsPage'), needs: ['units-manage', 'people-manage'], tab: { face: '/admin', label: 'tab.units' } },
  { path: '/admin/devices', texts: ['admin'], load: () => import('@/features/context/DevicesPage'), needs: ['device-manage', 'context-read'], tab: { face: '/admin', label: 'tab.devices' } },
  { path: '/admin/panels', texts: ['panels'], load: () => import('@/features/panels/AdminPage'), needs: ['device-manage'], tab: { face: '/admin', label: 'tab.panels' } },
  { path: '/admin/roads', texts: ['roads'], load: () => import('@/features/traffic/RoadsPage'), needs: ['traffic-manage', 'traffic-handle'], tab: { face: '/admin', label: 'tab.roads' } },
  { path: '/admin/cameras', texts: ['video'], load: () => import('@/features/video/AdminPage'), needs: ['camera-manage', 'camera-audit', 'camera-approve'], tab: { face: '/admin', label: 'tab.cameras' } },
  { path: '/admin/traffic', texts: ['traffic'], load: () => import('@/features/traffic/AdminPage'), needs: ['traffic-manage'], tab: { face: '/admin', label: 'tab.traffic' } },
  { path: '/admin/rules', texts: ['admin', 'ioc'], load: () => import('@/features/rules/RulesPage'), needs: ['alarm-read'], tab: { face: '/admin', label: 'tab.rules' } },
  { path: '/admin/packs', texts: ['admin'], load: () => import('@/features/packs/PacksPage'), needs: ['pack-manage'], tab: { face: '/admin', label: 'tab.packs' } },
  { path: '/admin/audit', texts: ['admin', 'audit'], load: () => import('@/features/access/admin/AuditPage'), needs: ['audit-read'], tab: { face: '/admin', label: 'tab.audit' } },
  { path: '/admin/tokens', texts: ['admin'], load: () => import('@/features/access/admin/TokensPage'), needs: ['people-manage', 'device-manage', 'context-write'], tab: { face: '/admin', label: 'tab.tokens' } },
  { path: '/work/quality', texts: ['flow'], load: () => import('@/features/cases/quality/QualityPage'), needs: ['case-triage'], tab: { face: '/work', label: 'tab.quality' } },
  { path: '/work/erasures', texts: ['flow'], load: () => import('@/features/cases/quality/ErasuresPage'), needs: ['case-identity'], tab: { face: '/work', label: 'tab.erasures' } },
  { path: '/admin/flow', texts: ['flow'], load: () => import('@/features/cases/flow/FlowPage'), needs: ['pack-manage', 'case-triage'], tab: { face: '/admin', label: 'tab.flow' } },
  { path: '/admin/procedures', texts: ['incidents'], load: () => import('@/features/incidents/ProceduresPage'), needs: ['incident-handle', 'incident-approve'], tab: { face: '/admin', label: 'tab.procedures' } },
  { path: '/admin/routing', texts: ['admin'], load: () => import('@/features/cases/routing/RoutingPage'), needs: ['pack-manage', 'case-triage'], tab: { face: '/admin', label: 'tab.routing' } },
  { path: '/admin/open311', texts: ['admin', 'notify'], load: () => import('@/features/cases/open311/KeysPage'), needs: ['people-manage', 'case-triage'], tab: { face: '/admin', label: 'tab.open311' } },
  { path: '/admin/dossiers', texts: ['admin', 'dossiers'], load: () => import('@/features/dossiers/PollsPage'), needs: ['pack-manage'], tab: { face: '/admin', label: 'tab.polls' } },
  { path: '/admin/messages', texts: ['admin', 'notify'], load: () => import('@/features/notify/MessagesPage'), needs: ['system-read'], tab: { face: '/admin', label: 'tab.messages' } },
  { path: '/admin/learning', texts: ['admin'], load: () => import('@/features/cases/learning/LearningPage'), needs: ['pack-manage', 'case-triage'], tab: { face: '/admin', label: 'tab.learning' } },
  { path: '/admin/sql', texts: ['admin'], load: () => import('@/features/system/SqlPage'), needs: ['history-query'], tab: { face: '/admin', label: 'tab.sql' } },
  { path: '/work/$id', texts: ['work', 'citizen', 'field', 'notify'], load: () => import('@/features/cases/desk/CaseDesk'), needs: ['case-read'] },
]
