// JetBrains' ring-ui asks for a token in a hidden frame, and takes this message as: that cannot work, somebody has to
// sign in.
if (window.parent !== window) window.parent.postMessage("HUB_AUTH_PAGE_OPENED", "*");
