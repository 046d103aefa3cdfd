// Who is signed in. Screens ask this, not the network.
import { createContext, useContext } from "react";
import type { User } from "./api/model.ts";

export const UserContext = createContext<User | null>(null);
export function useUser(): User {
  const user = useContext(UserContext);
  if (!user) throw new Error("a screen behind the sign-in was shown without a user");
  return user;
}
