// What the page of ring.html uses of JetBrains' ring-ui.
export {default as Auth} from '@jetbrains/ring-ui/components/auth/auth-core';
export {default as WindowFlow} from '@jetbrains/ring-ui/components/auth/window-flow';
export {default as Permissions} from '@jetbrains/ring-ui/components/permissions/permissions';
export {default as HubSource} from '@jetbrains/ring-ui/components/hub-source/hub-source';
