import { useMemo, type ReactNode } from 'react'
import { Menu as AriaMenu, MenuItem, MenuTrigger, Popover, Tab, TabList, TabPanel, Tabs as AriaTabs, Button as AriaButton, Tooltip as AriaTooltip, TooltipTrigger } from 'react-aria-components'
import { cx } from '../controls'
import './rich.css'

export interface TabItem {
  id: string
  label: ReactNode
  body: () => ReactNode
}

export function Tabs({ label, items, value, onChange }: { label: string; items: readonly TabItem[]; value?: string; onChange?: (id: string) => void }) {
  const controlled = useMemo(() => ({ ...(value === undefined ? {} : { selectedKey: value }), ...(onChange ? { onSelectionChange: (key: string | number) => onChange(String(key)) } : {}) }), [value, onChange])
  return (
    <AriaTabs {...controlled}>
      <TabList aria-label={label} className="tab-list">
        {items.map(item => (
          <Tab key={item.id} id={item.id} className="tab">
            {item.label}
          </Tab>
        ))}
      </TabList>
      {items.map(item => (
        <TabPanel key={item.id} id={item.id} className="tab-panel">
          {item.body()}
        </TabPanel>
      ))}
    </AriaTabs>
  )
}

export interface MenuChoice {
  id: string
  label: string
  hint?: string
}

export function Menu({ label, choices, onChoose, look = 'secondary', icon }: { label: ReactNode; choices: readonly MenuChoice[]; onChoose: (id: string) => void; look?: 'secondary' | 'quiet'; icon?: ReactNode }) {
  return (
    <MenuTrigger>
      <AriaButton className={cx('btn', `btn-${look}`)}>
        {icon}
        {label}
      </AriaButton>
      <Popover>
        <AriaMenu className="pop" onAction={key => onChoose(String(key))}>
          {choices.map(choice => (
            <MenuItem key={choice.id} id={choice.id} className="menu-item" textValue={choice.label}>
              {choice.label}
              {choice.hint ? <small>{choice.hint}</small> : null}
            </MenuItem>
          ))}
        </AriaMenu>
      </Popover>
    </MenuTrigger>
  )
}

/** A button (icon) with an explanation that appears on hover and focus. */
export function Tip({ words, children, onPress }: { words: ReactNode; children: ReactNode; onPress?: () => void }) {
  return (
    <TooltipTrigger delay={300}>
      <AriaButton className="btn btn-quiet btn-icon" {...(onPress ? { onPress } : {})}>
        {children}
      </AriaButton>
      <AriaTooltip className="tip">{words}</AriaTooltip>
    </TooltipTrigger>
  )
}
