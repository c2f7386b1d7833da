// Sends a file in pieces: each is a request of its own, so that no limit of a proxy is met, what
// a cut connection lost is sent again, and nobody's memory holds the whole.
"use strict";

(() => {
  const form = document.getElementById("upload");
  if (!form) return;
  const input = document.getElementById("upload-file");
  const send = form.querySelector("button[type=submit]");
  const stop = document.getElementById("upload-stop");
  const progress = document.getElementById("upload-progress");
  const told = document.getElementById("upload-told");
  const mostTries = 5;
  let stopping = null;
  form.hidden = false;

  const tell = (text, isWrong = false) => {
    told.textContent = text;
    told.classList.toggle("wrong", isWrong);
    input.setAttribute("aria-invalid", String(isWrong));
  };
  const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
  const post = (address, body, type) =>
    fetch(address, {
      method: "POST",
      credentials: "same-origin",
      body,
      signal: stopping.signal,
      headers: {
        "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
        Accept: "application/json",
        ...(type ? { "Content-Type": type } : {}),
      },
    });

  const read = async (answer) => {
    const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
    return isJson ? answer.json() : { error: `The server answered ${answer.status}.` };
  };

  const failed = ({ error, detail, hint }) => new Error([error ?? detail, hint].filter(Boolean).join(" "));

  // Returns how many bytes are there now.
  const sendPiece = async (address, file, offset, size) => {
    const piece = file.slice(offset, offset + size);
    const answer = await post(`${address}?offset=${offset}`, piece, "application/octet-stream");
    const said = await read(answer);
    if (typeof said.received === "number") return said.received;
    // What the server may get over is tried again.
    if (answer.status >= 500) throw new TypeError(said.error);
    throw failed(said);
  };

  const upload = async (file) => {
    const named = new URLSearchParams({ name: file.name, size: file.size, layer: form.dataset.layer });
    const answer = await post(form.dataset.begin, named);
    const begun = await read(answer);
    if (answer.status !== 201) throw failed(begun);
    let received = 0;
    let tries = 0;
    while (received < file.size) {
      try {
        received = await sendPiece(begun.piece, file, received, Number(form.dataset.piece));
        tries = 0;
      } catch (error) {
        // Of fetch, a TypeError is a connection that failed.
        if (!(error instanceof TypeError) || ++tries > mostTries) throw error;
        tell(`The connection was lost; trying again (${tries} of ${mostTries}).`);
        await pause(2 ** tries / 2);
      }
      progress.value = (100 * received) / file.size;
      if (!tries) tell(`${Math.floor(progress.value)} % of ${file.name}`);
    }
    return begun.page;
  };

  const setBusy = (isBusy) => {
    send.disabled = input.disabled = isBusy;
    stop.hidden = progress.hidden = !isBusy;
  };

  const refusal = (file) => {
    if (!file) return "Choose a file.";
    const most = Number(form.dataset.most);
    if (file.size === 0) return `${file.name} is empty.`;
    if (file.size > most) return `${file.name} has ${file.size.toLocaleString("en")} bytes; at most ${most.toLocaleString("en")} are taken.`;
    return "";
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [file] = input.files;
    const wrong = refusal(file);
    if (wrong) return tell(wrong, true), input.focus();
    stopping = new AbortController();
    setBusy(true);
    try {
      location.assign(await upload(file));
    } catch (error) {
      setBusy(false);
      tell(error.name === "AbortError" ? "Stopped." : error.message || "The upload failed.", true);
      input.focus();
    }
  });
  stop.addEventListener("click", () => stopping.abort());
})();
