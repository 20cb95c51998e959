// The page: a door, where people say who they are and where they want to go, and
// the room behind it.
import {LONGEST, Room} from './room.js';

const part = id => document.getElementById(id);
const [door, enter, chat, say, text, scroll, list, newer] =
  ['door', 'enter', 'chat', 'say', 'text', 'scroll', 'messages', 'newer'].map(part);
const broker = document.querySelector('meta[name=broker]').content;
const words = {connecting: 'Connecting …', live: 'Live', lost: 'Connection lost, trying again …'};
const clock = new Intl.DateTimeFormat(undefined, {timeStyle: 'short'});

let room; // the one that is open
let me;
let shown = new Map(); // the element of each message

/** What people type, as the names of rooms are. */
const roomName = typed => typed.trim().toLowerCase().replace(/\s+/g, '-');

function element(name, className, content) {
  const e = document.createElement(name);
  e.className = className;
  e.textContent = content;
  return e;
}

function draw(message) {
  const li = element('li', message.from === me ? 'mine' : '', '');
  const by = element('p', 'by', '');
  const at = element('time', '', clock.format(message.at));
  at.dateTime = new Date(message.at).toISOString();
  by.append(element('b', '', message.from), at);
  li.append(by, element('p', 'said', message.text));
  return li;
}

const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;

function toEnd() {
  scroll.scrollTop = scroll.scrollHeight;
  newer.hidden = true;
}

/** Shows the messages, and leaves those that are there already as they are. */
function show(messages) {
  const follow = atEnd();
  const first = shown.size === 0;
  const next = new Map(messages.map(m => [m.id, shown.get(m.id) ?? draw(m)]));
  let added = false;
  for (const [id, li] of next) {
    if (shown.has(id)) continue;
    added = true;
    if (!first) li.classList.add('new');
  }
  for (const [id, li] of shown) if (!next.has(id)) li.remove();
  [...next.values()].forEach((li, i) => {
    if (list.children[i] !== li) list.insertBefore(li, list.children[i] ?? null);
  });
  shown = next;
  part('silence').hidden = next.size > 0;
  if (follow) toEnd();
  else if (added) newer.hidden = false;
}

function tell({messages, state}) {
  if (messages) show(messages);
  if (state && part('state').dataset.is !== state) {
    part('state').dataset.is = state;
    part('state').textContent = words[state];
  }
}

async function go(name, place) {
  me = name;
  const next = new Room({broker, room: place, name, tell});
  list.replaceChildren();
  shown = new Map();
  await next.open();
  room = next;
  localStorage.setItem('name', name);
  location.hash = place;
  document.title = `#${place}`;
  part('where').textContent = place;
  door.hidden = true;
  chat.hidden = false;
  toEnd();
  text.focus();
}

enter.addEventListener('submit', async event => {
  event.preventDefault();
  const button = enter.querySelector('button');
  part('refusal').textContent = '';
  button.disabled = true;
  try {
    await go(enter.elements.name.value.trim(), roomName(enter.elements.room.value));
  } catch (error) {
    part('refusal').textContent = error instanceof TypeError ? `The broker at ${broker} does not answer.` : error.message;
  } finally {
    button.disabled = false;
  }
});

say.addEventListener('submit', async event => {
  event.preventDefault();
  const said = text.value.trim().slice(0, LONGEST);
  if (said === '') return;
  text.value = '';
  part('failure').textContent = '';
  try {
    await room.say(said);
    toEnd();
  } catch (error) {
    part('failure').textContent = `It was not sent: ${error.message}`;
    text.value ||= said;
  }
});

text.addEventListener('keydown', event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    say.requestSubmit();
  }
});

scroll.addEventListener('scroll', () => {
  if (atEnd()) newer.hidden = true;
});
newer.addEventListener('click', toEnd);

part('leave').addEventListener('click', () => {
  room.close();
  chat.hidden = true;
  door.hidden = false;
  document.title = 'Chat';
  enter.elements.room.select();
});

enter.elements.name.value = localStorage.getItem('name') ?? '';
enter.elements.room.value = decodeURIComponent(location.hash.slice(1)) || enter.elements.room.value;
