/**
 * Compile-time only: what the server's OpenAPI document says (`schema.d.ts`, made by `npm run gen`) must fit the types the screens use.
 * A change on either side that the other does not know breaks `npm run check`, not a screen.
 */
import type * as own from './types'
import type { components } from './schema'

type Said = components['schemas']

/**
 * Without null (the server leaves absent fields out, its document calls them nullable), and without the fields whose value may be
 * anything: `value`, and `location`, whose shape shares its name with another in the document.
 */
type Plain<T> = T extends readonly (infer E)[] ? Plain<E>[] : T extends object ? { [K in keyof T as K extends 'location' | 'value' ? never : K]: Plain<Exclude<T[K], null>> } : T

/** Fails to compile when what the server says cannot be used as ours. */
type Fits<Server extends Plain<Ours>, Ours> = [Server, Ours]

export type Contract = [
  Fits<Plain<Said['Case']>, own.Case>,
  Fits<Plain<Said['CaseRow']>, own.CaseRow>,
  Fits<Plain<Said['PublicCase']>, own.PublicCase>,
  Fits<Plain<Said['Receipt']>, own.ReportReceipt>,
  Fits<Plain<Said['TypeView']>, own.CaseType>,
  Fits<Plain<Said['Stats']>, own.CaseStats>,
  Fits<Plain<Said['Identity']>, own.Identity>,
  Fits<Plain<Said['Me']>, own.Me>,
  Fits<Plain<Said['Unit']>, own.Unit>,
  Fits<Plain<Said['UnitHistory']>, own.UnitDetail>,
  Fits<Plain<Said['Place']>, own.Place>,
  Fits<Plain<Said['Thing']>, own.Thing>,
  Fits<Plain<Said['Alarm']>, own.Alarm>,
  Fits<Plain<Said['Aside']>, own.Aside>,
  Fits<Plain<Said['AlarmFigures']>, own.AlarmFigures>,
  Fits<Plain<Said['AlarmLoad']>, own.AlarmLoad>,
  Fits<Plain<Said['RuleDetail']>, own.RuleDetail>,
  Fits<Plain<Said['Tried']>, own.Tried>,
  Fits<Plain<Said['Device']>, own.Device>,
  Fits<Plain<Said['Command']>, own.DeviceCommand>,
  Fits<Plain<Said['Credential']>, own.Credential>,
  Fits<Plain<Said['GroupLife']>, own.DeviceGroupLife>,
  // The other way round: what we send must fit what the server takes.
  Fits<Plain<Omit<own.ReportDraft, 'contact'>>, Partial<Said['NewReport']>>,
  Fits<Plain<Said['MoveRef']>, own.CaseMove>,
]
