// What the page says of itself: messages that go by, and the dialog that asks for a token.

import * as api from "./api.js";
import { element, find } from "./dom.js";

const SHOWN = 7000; // ms
let timer = null;

/** Say something; with `action` {text, work} a button goes with it. */
export function tell(text, action = null) {
  clearTimeout(timer);
  const message = find("message");
  const button =
    action && element("button", { type: "button", textContent: action.text, on: { click: () => (hush(), action.work()) } });
  message.replaceChildren(element("span", { textContent: text }), ...(button ? [button] : []));
  message.hidden = false;
  timer = setTimeout(hush, SHOWN);
}

function hush() {
  find("message").hidden = true;
}

let again = () => {};

/** Run something of ours; ask for the token where the server wants it, say all other errors. */
export async function run(work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof api.ApiError && error.status === 401) {
      again = work;
      if (!find("sign-in").open) find("sign-in").showModal();
    } else {
      tell(error instanceof TypeError ? "The server can't be reached." : error.message);
      if (!(error instanceof api.ApiError)) console.error(error);
    }
  }
}

async function signIn(event) {
  event.preventDefault();
  try {
    await api.signIn(find("token").value);
    find("token").value = "";
    find("sign-in").close();
    run(again);
  } catch (error) {
    find("sign-in-note").textContent = error.status === 401 ? "That is not the token." : error.message;
  }
}

find("sign-in-form").addEventListener("submit", signIn);
