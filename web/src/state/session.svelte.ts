// Whether the server answers, and the credentials it wants.
import { api, ApiError, connect } from '../api/client';

const KEY = 'easel.authorization';

function storedAuthorization(): string | null {
  try {
    return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function basic(name: string, password: string): string {
  const bytes = new TextEncoder().encode(`${name}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

class Session {
  isAway = $state(false);
  wantsLogin = $state(false);
  loginError = $state('');
  authorization = $state<string | null>(storedAuthorization());
  #onLogin: (() => void)[] = [];

  constructor() {
    connect({
      authorization: () => this.authorization,
      onAnswer: () => (this.isAway = false),
      onSilence: () => (this.isAway = true),
      onUnauthorized: () => (this.wantsLogin = true),
    });
  }

  // Called now, and again after each login.
  whenAllowed(work: () => void): void {
    this.#onLogin.push(work);
    work();
  }

  async login(with_: { key: string } | { name: string; password: string }, remember: boolean): Promise<void> {
    this.authorization = 'key' in with_ ? `Bearer ${with_.key}` : basic(with_.name, with_.password);
    try {
      await api.models();
    } catch (fault) {
      this.authorization = null;
      const isRefused = fault instanceof ApiError && fault.status === 401;
      this.loginError = isRefused ? 'The server did not accept that. Check it and try again.' : String(fault);
      return;
    }
    this.#keep(this.authorization, remember);
    this.loginError = '';
    this.wantsLogin = false;
    for (const work of this.#onLogin) work();
  }

  #keep(authorization: string, remember: boolean): void {
    try {
      (remember ? localStorage : sessionStorage).setItem(KEY, authorization);
    } catch {
      // switched off: it holds until the page is left
    }
  }
}

export const session = new Session();
