import { Component, type ReactNode } from 'react'
import { texts } from '../shared/texts'

/** Keeps a part that cannot be loaded or fails from taking the page with it. */
export class Boundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false }

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true }
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children
    return (
      <p className="pad" role="alert">
        {texts.pages.failed}{' '}
        <button type="button" onClick={() => { this.setState({ failed: false }) }}>{texts.retry}</button>
      </p>
    )
  }
}
